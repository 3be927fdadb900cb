//! The settings of groups and users, as a program sends them that has skipped the preview.

use portal::{Database, Running};

use crate::people::decided;
use crate::wire::{Answer, PASSWORD, Visit, credentials, get, post, start};

const STRICT: &str = "enforce=yes&app=on&first=with_ticket";

async fn admin(portal: &Running) -> Visit {
    let admin = decided(portal, "enforce=no&first=after_password").await;
    assert_eq!(send(portal, &admin, "/admin/groups", "name=Vault").await.status, 303);
    admin
}

async fn send(portal: &Running, visit: &Visit, path: &str, fields: &str) -> Answer {
    post(portal, path, &visit.cookie, &format!("csrf={}&{fields}", visit.csrf)).await
}

/// What the administrator's password leads to.
async fn entered(portal: &Running) -> u16 {
    let browser = Visit::begin(portal).await;
    let body = format!("{}&csrf={}", credentials(PASSWORD), browser.csrf);
    post(portal, "/sign-in", &browser.cookie, &body).await.status
}

#[tokio::test]
async fn no_group_and_no_own_settings_lock_out_every_administrator_but_by_name() {
    for path in ["/admin/groups/1/security", "/admin/users/1/security"] {
        let portal = start(Database::Memory).await.unwrap();
        let admin = admin(&portal).await;
        assert_eq!(send(&portal, &admin, "/admin/groups/1", "member=1").await.status, 303);
        let preview = send(&portal, &admin, &format!("{path}/preview"), STRICT).await;
        assert!(preview.status == 422 && preview.body.contains("no administrator could sign in again"), "{path}");
        let refused = send(&portal, &admin, path, STRICT).await;
        assert!(refused.status == 422 && refused.body.contains("accept-lockout"), "{path}");
        assert_eq!(entered(&portal).await, 303, "nothing is saved");
        assert_eq!(send(&portal, &admin, path, &format!("{STRICT}&accept_lockout=yes")).await.status, 303, "{path}");
        assert_eq!(entered(&portal).await, 403, "{path}");
        // The session that has decided it owes a step like any other, and cannot take it back.
        let back = send(&portal, &admin, &format!("{path}/withdraw"), "").await;
        assert_eq!((back.status, back.header("location")), (303, Some("/completion")), "{path}");
        assert_eq!(get(&portal, "/completion", &admin.cookie).await.status, 403, "{path}");
        assert_eq!(entered(&portal).await, 403, "{path}");
        portal.stop().await;
    }
}

#[tokio::test]
async fn settings_of_a_group_and_of_a_user_are_taken_back() {
    for path in ["/admin/groups/1/security", "/admin/users/1/security"] {
        let portal = start(Database::Memory).await.unwrap();
        let admin = admin(&portal).await;
        assert_eq!(send(&portal, &admin, path, "enforce=no&first=with_ticket").await.status, 303, "{path}");
        let page = get(&portal, path, &admin.cookie).await.body;
        assert!(page.contains("id=\"withdraw\""), "{path}: {page}");
        assert_eq!(send(&portal, &admin, &format!("{path}/withdraw"), "").await.status, 303, "{path}");
        assert!(!get(&portal, path, &admin.cookie).await.body.contains("id=\"withdraw\""), "{path}");
        portal.stop().await;
    }
}

#[tokio::test]
async fn nobody_is_put_into_a_group_that_would_lock_out_every_administrator() {
    let portal = start(Database::Memory).await.unwrap();
    let admin = admin(&portal).await;
    assert_eq!(send(&portal, &admin, "/admin/groups/1/security", STRICT).await.status, 303, "nobody is in it");
    let refused = send(&portal, &admin, "/admin/groups/1", "member=1").await;
    assert!(refused.status == 422 && refused.body.contains("no administrator could sign in again"));
    assert_eq!(entered(&portal).await, 303);
    assert_eq!(send(&portal, &admin, "/admin/groups/1", "member=99&member=x").await.status, 303, "no such users");
    assert!(get(&portal, "/admin/groups", &admin.cookie).await.body.contains("0 members"));
    let log = get(&portal, "/admin/audit", &admin.cookie).await.body;
    assert!(log.contains("Decided who is in the group Vault"), "{log}");
    assert_eq!(send(&portal, &admin, "/admin/groups/1", "member=1&accept_lockout=yes").await.status, 303);
    assert_eq!(entered(&portal).await, 403);
    // The administrators are locked out, and so is the session that has decided it.
    assert_eq!(get(&portal, "/admin/audit", &admin.cookie).await.header("location"), Some("/completion"));
    portal.stop().await;
}

#[tokio::test]
async fn the_companys_settings_are_not_taken_back() {
    let portal = start(Database::Memory).await.unwrap();
    let admin = admin(&portal).await;
    assert_eq!(send(&portal, &admin, "/admin/security/withdraw", "").await.status, 404);
    portal.stop().await;
}
