//! Groups of users, so that what some are asked for can be stricter than what all are.

use std::collections::BTreeSet;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde::Deserialize;

use super::plans::Plan;
use super::security::LOCKS_OUT;
use super::{Page, Shell, go_and_say, show, show_again, step_up};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted, PostedPairs};
use crate::notice::Notice;
use crate::policies::{self, Change, Group, Policies, Scope};
use crate::session::{Admin, SignedIn};
use crate::{accounts, audit, mfa};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/admin/groups", get(list).post(create))
        .route("/admin/groups/{group}", get(page).post(save))
        .route("/admin/groups/{group}/remove", post(remove))
}

#[derive(Template)]
#[template(path = "groups.html")]
struct GroupsPage {
    shell: Shell,
    /// Each with whether something is decided for it.
    groups: Vec<(Group, bool)>,
    name: String,
    error: Option<&'static str>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn list(State(app): State<App>, Admin(admin): Admin) -> Page {
    show(&drawn(&app, &admin, String::new(), None).await?)
}

async fn create(State(app): State<App>, Admin(admin): Admin, Posted(form): Posted<Named>) -> Page {
    let name = form.name.trim();
    if name.is_empty() || name.chars().count() > 60 || name.chars().any(char::is_control) {
        let error = Some("Enter a name, in up to 60 characters.");
        return show_again(&drawn(&app, &admin, form.name, error).await?);
    }
    step_up::carry_out(&app, &admin, Plan::CreateGroup(name.to_owned())).await
}

/// Creates a group, the proof being fresh.
pub(super) async fn create_group(app: &App, admin: &SignedIn, name: String) -> Page {
    let Some(id) = policies::create_group(&app.db, &name).await? else {
        return show_again(&drawn(app, admin, name, Some("There is a group of this name.")).await?);
    };
    audit::note(&app.db, admin.session.user.id, "warn", &format!("Created the group {name}")).await?;
    go_and_say(&format!("/admin/groups/{id}"), Notice::GroupMade)
}

async fn drawn(app: &App, admin: &SignedIn, name: String, error: Option<&'static str>) -> Result<GroupsPage, Failure> {
    let policies = Policies::load(&app.db).await?;
    let decided = |group: Group| {
        let decided = policies.is_decided(Scope::Group(group.id));
        (group, decided)
    };
    Ok(GroupsPage {
        shell: Shell::new(app, &admin.visitor, "Groups", "users"),
        groups: policies::groups(&app.db).await?.into_iter().map(decided).collect(),
        name,
        error,
    })
}

#[derive(Template)]
#[template(path = "group.html")]
struct GroupPage {
    shell: Shell,
    group: Group,
    decided: bool,
    people: Vec<Member>,
    /// No administrator could sign in with these members.
    error: Option<&'static str>,
}

struct Member {
    id: i64,
    name: String,
    email: String,
    chosen: bool,
}

async fn page(State(app): State<App>, Admin(admin): Admin, Path(id): Path<i64>) -> Page {
    let group = policies::group(&app.db, id).await?;
    let policies = Policies::load(&app.db).await?;
    show(&group_page(&app, &admin, group, &policies, None).await?)
}

/// Who is in the group is who was ticked, if an administrator can sign in then.
async fn save(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<i64>,
    PostedPairs(pairs): PostedPairs,
) -> Page {
    let group = policies::group(&app.db, id).await?;
    let ticked = pairs.iter().filter(|(key, _)| key == "member").filter_map(|(_, id)| id.parse().ok()).collect();
    let accepts_lockout = pairs.iter().any(|(key, _)| key == "accept_lockout");
    // What is posted is looked at first: nobody is asked for a proof to be told that it was in vain.
    match looked_at(&app, id, &ticked).await? {
        Looked { after, checked: Err(_), .. } if !accepts_lockout => {
            show_again(&group_page(&app, &admin, group, &after, Some(LOCKS_OUT)).await?)
        }
        _ => step_up::carry_out(&app, &admin, Plan::SaveMembers(id, ticked, accepts_lockout)).await,
    }
}

/// What a change of the members comes to.
struct Looked {
    after: Policies,
    checked: Result<policies::Checked, policies::LocksOut>,
    /// Who comes into the group, and who leaves it.
    added: Vec<String>,
    removed: Vec<String>,
}

async fn looked_at(app: &App, id: i64, ticked: &BTreeSet<i64>) -> Result<Looked, Failure> {
    let before = Policies::load(&app.db).await?;
    let (mut members, mut administrators) = (BTreeSet::new(), Vec::new());
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for user in accounts::all(&app.db).await? {
        if user.is_admin && !user.disabled {
            let standing = mfa::status(app, &user).await?.standing(&mfa::contact(&user));
            administrators.push((user.id, standing));
        }
        let was = before.applies(Scope::Group(id), user.id);
        match (was, ticked.contains(&user.id)) {
            (false, true) => added.push(user.name),
            (true, false) => removed.push(user.name),
            _ => {}
        }
        if ticked.contains(&user.id) {
            members.insert(user.id);
        }
    }
    let change = Change::Members(id, members);
    let after = before.after(&change).map_err(|_| Failure::internal("members make no policy unsound"))?;
    let checked = before.check(change, &after, &administrators);
    Ok(Looked { after, checked, added, removed })
}

/// Saves the members, the proof being fresh. They are checked again: others may have changed something meanwhile.
pub(super) async fn save_members(
    app: &App,
    admin: &SignedIn,
    id: i64,
    ticked: BTreeSet<i64>,
    accepts_lockout: bool,
) -> Page {
    let group = policies::group(&app.db, id).await?;
    let Looked { after, checked, added, removed } = looked_at(app, id, &ticked).await?;
    let checked = match checked {
        Ok(checked) => checked,
        Err(refused) if accepts_lockout => refused.accept_lockout(),
        Err(_) => return show_again(&group_page(app, admin, group, &after, Some(LOCKS_OUT)).await?),
    };
    checked.save(&app.db).await?;
    let names = |names: Vec<String>| if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
    let words =
        format!("Decided who is in the group {}. Added: {}. Removed: {}", group.name, names(added), names(removed));
    audit::note(&app.db, admin.session.user.id, "warn", &words).await?;
    go_and_say(&format!("/admin/groups/{id}"), Notice::GroupSaved)
}

async fn remove(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<i64>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    policies::group(&app.db, id).await?;
    step_up::carry_out(&app, &admin, Plan::RemoveGroup(id)).await
}

/// Deletes a group, the proof being fresh.
pub(super) async fn remove_group(app: &App, admin: &SignedIn, id: i64) -> Page {
    let group = policies::group(&app.db, id).await?;
    let before = policies::settings(&app.db, Scope::Group(id)).await?;
    policies::remove_group(&app.db, id).await?;
    let before = before.map_or_else(|| "nothing".to_owned(), |before| before.in_words());
    let words = format!("Deleted the group {} of {} members. Before: {before}", group.name, group.members);
    audit::note(&app.db, admin.session.user.id, "warn", &words).await?;
    go_and_say("/admin/groups", Notice::GroupRemoved)
}

async fn group_page(
    app: &App,
    admin: &SignedIn,
    group: Group,
    policies: &Policies,
    error: Option<&'static str>,
) -> Result<GroupPage, Failure> {
    let scope = Scope::Group(group.id);
    let member = |user: accounts::User| Member {
        chosen: policies.applies(scope, user.id),
        id: user.id,
        email: user.email.as_str().to_owned(),
        name: user.name,
    };
    Ok(GroupPage {
        shell: Shell::new(app, &admin.visitor, "Group", "users"),
        decided: policies.is_decided(scope),
        people: accounts::all(&app.db).await?.into_iter().map(member).collect(),
        group,
        error,
    })
}
