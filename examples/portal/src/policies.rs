//! Whose policy is which: the company's, those of the groups, and those of single users. A user is judged by the
//! strictest of all that apply.

use std::collections::{BTreeMap, BTreeSet};

use factorgate::policy::{FirstRegistration, Policy, Preview, Standing};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};

use crate::error::Failure;
use crate::settings::{Objection, Settings};

/// For whom something is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    Company,
    Group(i64),
    User(i64),
}

impl Scope {
    fn word(self) -> String {
        match self {
            Self::Company => "company".to_owned(),
            Self::Group(id) => format!("group-{id}"),
            Self::User(id) => format!("user-{id}"),
        }
    }

    fn parse(word: &str) -> Option<Self> {
        match word.split_once('-') {
            None => (word == "company").then_some(Self::Company),
            Some(("group", id)) => id.parse().ok().map(Self::Group),
            Some(("user", id)) => id.parse().ok().map(Self::User),
            Some(_) => None,
        }
    }
}

/// The policy by which a user is judged now.
pub(crate) async fn of(db: &SqlitePool, user: i64) -> Result<Policy, Failure> {
    let rows = sqlx::query(
        "SELECT * FROM policies WHERE scope = 'company' OR scope = 'user-' || ?1
         OR scope IN (SELECT 'group-' || group_id FROM memberships WHERE user_id = ?1)",
    );
    let rows = rows.bind(user).fetch_all(db).await?;
    Ok(folded(&policies(&rows)?, |_| true))
}

/// What has been decided for this scope; nothing, where nothing was.
pub(crate) async fn settings(db: &SqlitePool, scope: Scope) -> Result<Option<Settings>, Failure> {
    let row = sqlx::query("SELECT * FROM policies WHERE scope = ?").bind(scope.word()).fetch_optional(db).await?;
    Ok(row.as_ref().map(Settings::from_row).transpose()?)
}

/// Whose policies apply to a user beside the company's, in words.
pub(crate) async fn names_beside_company(db: &SqlitePool, user: i64) -> Result<Vec<String>, Failure> {
    Ok(sqlx::query_scalar(
        "SELECT name FROM groups JOIN memberships ON group_id = id JOIN policies ON scope = 'group-' || id
         WHERE user_id = ?1
         UNION ALL SELECT 'a policy of your own' FROM policies WHERE scope = 'user-' || ?1",
    )
    .bind(user)
    .fetch_all(db)
    .await?)
}

/// All that is decided, and for whom.
#[derive(Clone)]
pub(crate) struct Policies {
    decided: BTreeMap<Scope, Policy>,
    members: BTreeSet<(i64, i64)>,
}

impl Policies {
    pub(crate) async fn load(db: &SqlitePool) -> Result<Self, Failure> {
        let rows = sqlx::query("SELECT * FROM policies").fetch_all(db).await?;
        let members: Vec<(i64, i64)> =
            sqlx::query_as("SELECT user_id, group_id FROM memberships").fetch_all(db).await?;
        Ok(Self { decided: policies(&rows)?, members: members.into_iter().collect() })
    }

    /// The policy by which a user is judged.
    pub(crate) fn of(&self, user: i64) -> Policy {
        folded(&self.decided, |scope| self.applies(scope, user))
    }

    /// The policy by which a user of whom nothing else is known is judged, beside what the company has decided.
    pub(crate) fn at(&self, scope: Scope) -> Policy {
        folded(&self.decided, |other| other == Scope::Company || other == scope)
    }

    /// Whether what is decided for `scope` concerns a user.
    pub(crate) fn applies(&self, scope: Scope, user: i64) -> bool {
        match scope {
            Scope::Company => true,
            Scope::Group(group) => self.members.contains(&(user, group)),
            Scope::User(id) => id == user,
        }
    }

    pub(crate) fn is_decided(&self, scope: Scope) -> bool {
        self.decided.contains_key(&scope)
    }

    /// The scopes beside the company's that are decided and concern a user.
    pub(crate) fn beside_company(&self, user: i64) -> Vec<Scope> {
        let beside = |scope: &Scope| *scope != Scope::Company && self.applies(*scope, user);
        self.decided.keys().copied().filter(beside).collect()
    }

    /// What stands after a change.
    pub(crate) fn after(&self, change: &Change) -> Result<Self, Objection> {
        let mut after = self.clone();
        match change {
            Change::Policy(scope, settings) => {
                after.decided.insert(*scope, settings.to_policy()?);
            }
            Change::Members(group, members) => {
                after.members.retain(|(_, other)| other != group);
                after.members.extend(members.iter().map(|user| (*user, *group)));
            }
        }
        Ok(after)
    }

    /// Takes a change for saving if it leaves one of the administrators a way in, each by what applies to them.
    pub(crate) fn check(
        &self,
        change: Change,
        after: &Self,
        administrators: &[(i64, Standing)],
    ) -> Result<Checked, LocksOut> {
        let has_way_in = |(user, standing): &(i64, Standing)| {
            let preview = Preview::new(&self.of(*user), &after.of(*user));
            preview.check_administrators([standing.clone()]).is_ok()
        };
        if administrators.iter().any(has_way_in) { Ok(Checked(change)) } else { Err(LocksOut(change)) }
    }
}

/// What an administrator is about to decide. What is taken away asks for less, and needs no check.
pub(crate) enum Change {
    /// Who is in a group.
    Members(i64, BTreeSet<i64>),
    Policy(Scope, Settings),
}

/// A change that leaves an administrator a way in, or was taken by name all the same. Nothing else is saved.
#[must_use]
pub(crate) struct Checked(Change);

/// No administrator could take the change back.
pub(crate) struct LocksOut(Change);

impl LocksOut {
    /// The administrator has decided to lock out every administrator all the same.
    pub(crate) fn accept_lockout(self) -> Checked {
        Checked(self.0)
    }
}

impl Checked {
    pub(crate) async fn save(self, db: &SqlitePool) -> Result<(), Failure> {
        match self.0 {
            Change::Policy(scope, settings) => settings.save(db, &scope.word()).await,
            Change::Members(group, members) => {
                let mut all = db.begin().await?;
                sqlx::query("DELETE FROM memberships WHERE group_id = ?").bind(group).execute(&mut *all).await?;
                for user in members {
                    sqlx::query("INSERT INTO memberships (user_id, group_id) VALUES (?, ?)")
                        .bind(user)
                        .bind(group)
                        .execute(&mut *all)
                        .await?;
                }
                Ok(all.commit().await?)
            }
        }
    }
}

/// Takes back what is decided for a group or a user. The company's settings can only be replaced.
pub(crate) async fn withdraw(db: &SqlitePool, scope: Scope) -> Result<(), Failure> {
    if scope == Scope::Company {
        return Err(Failure::NotFound);
    }
    sqlx::query("DELETE FROM policies WHERE scope = ?").bind(scope.word()).execute(db).await?;
    Ok(())
}

/// A group, and how many are in it.
#[derive(sqlx::FromRow)]
pub(crate) struct Group {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) members: i64,
}

const GROUPS: &str = "SELECT id, name, (SELECT COUNT(*) FROM memberships WHERE group_id = groups.id) AS members
                      FROM groups";

pub(crate) async fn groups(db: &SqlitePool) -> Result<Vec<Group>, Failure> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("{GROUPS} ORDER BY name"))).fetch_all(db).await?)
}

pub(crate) async fn group(db: &SqlitePool, id: i64) -> Result<Group, Failure> {
    let found = sqlx::query_as(sqlx::AssertSqlSafe(format!("{GROUPS} WHERE id = ?"))).bind(id);
    found.fetch_optional(db).await?.ok_or(Failure::NotFound)
}

/// Makes a group without members, unless there is one of the name: then `None`.
pub(crate) async fn create_group(db: &SqlitePool, name: &str) -> Result<Option<i64>, Failure> {
    let made = sqlx::query_scalar("INSERT INTO groups (name) VALUES (?) ON CONFLICT DO NOTHING RETURNING id");
    Ok(made.bind(name).fetch_optional(db).await?)
}

/// Dissolves a group, and what was decided for it.
pub(crate) async fn remove_group(db: &SqlitePool, id: i64) -> Result<(), Failure> {
    let mut all = db.begin().await?;
    sqlx::query("DELETE FROM policies WHERE scope = ?").bind(Scope::Group(id).word()).execute(&mut *all).await?;
    sqlx::query("DELETE FROM groups WHERE id = ?").bind(id).execute(&mut *all).await?;
    Ok(all.commit().await?)
}

fn policies(rows: &[SqliteRow]) -> Result<BTreeMap<Scope, Policy>, Failure> {
    let decided = |row: &SqliteRow| {
        let scope = Scope::parse(row.try_get("scope")?).ok_or_else(|| Failure::internal("a scope cannot be read"))?;
        let policy = Settings::from_row(row)?.to_policy();
        let unsound = |objection| Failure::internal(format!("the saved settings make no policy: {objection:?}"));
        Ok((scope, policy.map_err(unsound)?))
    };
    rows.iter().map(decided).collect()
}

/// The strictest of the policies that apply. Before the company has decided, nothing is enforced, and who registers a
/// smartphone from the profile proves the address first.
fn folded(decided: &BTreeMap<Scope, Policy>, applies: impl Fn(Scope) -> bool) -> Policy {
    let undecided = Policy::off(FirstRegistration::AfterEmailCode);
    let company = decided.get(&Scope::Company).unwrap_or(&undecided);
    let beside = decided.iter().filter(|(scope, _)| **scope != Scope::Company && applies(**scope));
    Policy::strictest(company, beside.map(|(_, policy)| policy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Database;
    use crate::settings::tests::fields;

    const STRICT: &str = "enforce=yes&app=on&first=with_ticket";

    /// The company, and a stricter group of user 2.
    async fn decided() -> (SqlitePool, Policies, i64) {
        let db = crate::db::open(&Database::Memory).await.unwrap();
        sqlx::query(
            "INSERT INTO users (email, email_key, name, password_hash, created_at)
             VALUES ('a@x', 'a@x', 'A', '', 0), ('b@x', 'b@x', 'B', '', 0)",
        )
        .execute(&db)
        .await
        .unwrap();
        let group = create_group(&db, "Accounting").await.unwrap().unwrap();
        assert_eq!(create_group(&db, "accounting").await.unwrap(), None, "one name is one group");
        for change in [
            Change::Policy(Scope::Company, fields("enforce=yes&app=on&email=on&first=after_email_code")),
            Change::Policy(Scope::Group(group), fields(STRICT)),
            Change::Members(group, [2].into()),
        ] {
            Checked(change).save(&db).await.unwrap();
        }
        let policies = Policies::load(&db).await.unwrap();
        (db, policies, group)
    }

    #[tokio::test]
    async fn what_is_saved_is_what_is_loaded() {
        let db = crate::db::open(&Database::Memory).await.unwrap();
        assert!(settings(&db, Scope::Company).await.unwrap().is_none());
        for form in [
            "enforce=yes&app=on&email=on&combine=all&email_fallback=on&first=with_ticket",
            "enforce=no&app=on&first=after_password",
            "enforce=yes&email=on&combine=any&first=after_email_code",
            "enforce=yes&app=on&trusted_browsers=on&grace_days=14&first=after_email_code",
            "enforce=yes&app=on&passkey=on&passkey_stands_in=on&first=after_email_code",
        ] {
            for scope in [Scope::Company, Scope::Group(3), Scope::User(7)] {
                Checked(Change::Policy(scope, fields(form))).save(&db).await.unwrap();
                assert_eq!(settings(&db, scope).await.unwrap(), Some(fields(form)), "{form}");
            }
        }
    }

    #[tokio::test]
    async fn a_user_is_judged_by_the_strictest_of_all_that_apply() {
        let (db, policies, group) = decided().await;
        for user in [1, 2] {
            assert_eq!(of(&db, user).await.unwrap(), policies.of(user), "one question, one answer");
        }
        assert_eq!(policies.of(2), policies.at(Scope::Group(group)));
        let (company, strict) = (policies.at(Scope::Company), fields(STRICT).to_policy().unwrap());
        assert_eq!(policies.of(1), company);
        assert_eq!(policies.of(2), Policy::strictest(&company, [&strict]));
        assert_ne!(policies.of(2), company);
        assert_eq!(policies.beside_company(2), [Scope::Group(group)]);

        withdraw(&db, Scope::Group(group)).await.unwrap();
        assert_eq!(of(&db, 2).await.unwrap(), company);
        assert!(withdraw(&db, Scope::Company).await.is_err());
        remove_group(&db, group).await.unwrap();
        assert!(groups(&db).await.unwrap().is_empty());
        assert!(!Policies::load(&db).await.unwrap().applies(Scope::Group(group), 2));
    }

    #[tokio::test]
    async fn each_administrator_is_looked_at_by_what_applies_to_them() {
        let (_, policies, group) = decided().await;
        let change = |members: &[i64]| Change::Members(group, members.iter().copied().collect());
        let checked = |members: &[i64], administrators: &[i64]| {
            let after = policies.after(&change(members)).unwrap();
            let standing = |user: &i64| {
                let mut standing = Standing::new();
                standing.email = Some(factorgate::policy::EmailStanding { verified: true, tainted: false });
                (*user, standing)
            };
            let administrators: Vec<_> = administrators.iter().map(standing).collect();
            policies.check(change(members), &after, &administrators).is_ok()
        };
        assert!(checked(&[1, 2], &[1, 3]), "the third is not in the group, and has a way in by mail");
        assert!(!checked(&[1, 2], &[1, 2]), "without a ticket neither gets in");
        assert!(!checked(&[], &[]), "where no administrator is named, none has a way in");
    }
}
