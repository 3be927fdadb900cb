//! A new key of the server, and what becomes of the one before.

use factorgate::env::OsRandom;
use factorgate::keys::ServerKey;
use portal::{Config, Database, Running};

use crate::people::{User, admin};
use crate::wire::{Answer, Folder, PASSWORD, Visit, config, credentials, get, post};

async fn start(database: &Database, current: &str, retired: &[&str]) -> Running {
    portal::serve(Config {
        retired_keys: retired.iter().map(|key| (*key).to_owned()).collect(),
        server_key: Some(current.to_owned()),
        ..config(database.clone())
    })
    .await
    .unwrap()
}

/// The row of the page about a key.
async fn row(portal: &Running, visit: &Visit, key: &str) -> String {
    let page = get(portal, "/admin/keys", &visit.cookie).await.body;
    let id = ServerKey::from_hex(key).unwrap().id().to_string();
    page.split("<tr>").find(|row| row.contains(&id)).unwrap().to_owned()
}

/// The administrator's password, from a new browser.
async fn sign_in(portal: &Running) -> Answer {
    let nobody = Visit::begin(portal).await;
    post(portal, "/sign-in", &nobody.cookie, &format!("{}&csrf={}", credentials(PASSWORD), nobody.csrf)).await
}

#[tokio::test]
async fn a_retired_key_is_needed_until_every_record_is_re_encrypted() {
    let folder = Folder::new();
    let database = Database::File(folder.0.join("portal.db"));
    let [old, new] = [(); 2].map(|()| ServerKey::generate(&OsRandom).unwrap().to_hex().expose_secret().to_owned());

    let portal = start(&database, &old, &[]).await;
    let user = User::register(&portal, admin(&portal).await).await;
    assert!(row(&portal, &user.visit, &old).await.contains("In use"));
    portal.stop().await;
    // So many that they are looked at in several requests.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.0.join("portal.db"));
    let mut db = sqlx::ConnectOptions::connect(&options).await.unwrap();
    for other in 0..30 {
        sqlx::query(
            "INSERT INTO users (email, email_key, name, password_hash, created_at) VALUES (?1, ?1, 'X', '', 0)",
        )
        .bind(format!("{other}@larkfield.example"))
        .execute(&mut db)
        .await
        .unwrap();
    }
    sqlx::Connection::close(db).await.unwrap();

    let portal = start(&database, &new, &[&old]).await;
    assert!(row(&portal, &user.visit, &old).await.contains("Needed"));
    let page = user.post(&portal, "/admin/keys/reencrypt", "").await.body;
    assert!(page.contains("20 of 31 users") && page.contains("1 record was"), "{page}");
    let (_, after) = page.split_once("name=\"after\" value=\"").unwrap();
    let after = after.split('"').next().unwrap();
    let page = user.post(&portal, "/admin/keys/reencrypt", &format!("after={after}")).await.body;
    assert!(page.contains("31 of 31 users") && page.contains("0 records were") && !page.contains("id=\"go-on\""));
    assert!(row(&portal, &user.visit, &old).await.contains("Can be dropped"));
    let recorded = get(&portal, "/admin/audit", &user.visit.cookie).await.body;
    assert!(recorded.contains("Re-encrypted 1 records under the server key"));
    portal.stop().await;

    // Without the old key the smartphone is still known; with the old key alone it is not.
    let portal = start(&database, &new, &[]).await;
    assert_eq!(sign_in(&portal).await.header("location"), Some("/sign-in/app"));
    portal.stop().await;
    let portal = start(&database, &old, &[]).await;
    let refused = sign_in(&portal).await;
    assert!(refused.status >= 500 && !refused.sets("__Host-session"), "{}", refused.status);
    portal.stop().await;
}
