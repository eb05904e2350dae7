use flexsecure_server::{
    Config, DirectoryError, Method, NewUser, OpenError, Policies, PublicUrl, Server,
    ServerKeysError,
};
use serde_json::json;

use crate::harness::Authority;

#[tokio::test]
async fn a_method_whose_policy_is_off_can_not_be_assigned() {
    let authority = Authority::new().await;
    let directory = authority.server.directory();
    directory.add_system("links", Policies::new(false, true)).await.unwrap();
    let refused = directory.assign("carol", &["bank", "links"], Method::Pin).await.unwrap_err();
    assert!(
        matches!(&refused, DirectoryError::PolicyOff { system, method: Method::Pin } if system == "links")
    );
    assert_eq!(
        refused.to_string(),
        "the pin policy is off on system `links`: turn it on before you assign it"
    );
    let carol = &directory.users().await.unwrap()[2];
    assert!(carol.auth_id == "carol" && carol.assignments.is_empty(), "all or none");
    directory.set_policies("links", Some(true), None).await.unwrap();
    directory.assign("carol", &["bank", "links"], Method::Pin).await.unwrap();
    assert_eq!(directory.users().await.unwrap()[2].assignments.len(), 2);
}

#[tokio::test]
async fn a_policy_switched_off_withdraws_what_it_had_allowed() {
    let authority = Authority::new().await;
    let (alice, bob) = (authority.start("alice").await, authority.start("bob").await);
    authority.server.directory().set_policies("bank", Some(false), None).await.unwrap();
    let answer = authority.check("alice", json!({"txn": alice["txn"]})).await;
    answer.is(403, &json!({"result": "expired"}));
    assert_eq!(
        authority.check("bob", json!({"txn": bob["txn"]})).await.json()["result"],
        "pending"
    );
    assert_eq!(authority.audited("withdrawn").await, 1);
}

#[tokio::test]
async fn what_is_malformed_unknown_or_there_already_is_refused() {
    let authority = Authority::new().await;
    let directory = authority.server.directory();
    let both = Policies::both();
    let add = async |user| directory.add_user(user).await.unwrap_err();
    let new = || NewUser::new("new");
    assert!(matches!(directory.add_system("", both).await, Err(DirectoryError::MalformedSystem)));
    assert!(matches!(
        directory.add_system("bank", both).await,
        Err(DirectoryError::SystemExists { .. })
    ));
    assert!(matches!(
        add(NewUser::new("a\r\nb").email("a@example.com")).await,
        DirectoryError::MalformedAuthId
    ));
    assert!(matches!(add(new()).await, DirectoryError::NoAddress));
    assert!(matches!(
        add(new().email("a@example.com\r\nBcc: b@example.com")).await,
        DirectoryError::MalformedEmail
    ));
    assert!(matches!(add(new().sms("079")).await, DirectoryError::MalformedSms));
    assert!(matches!(
        add(NewUser::new("alice").sms("+41790000001")).await,
        DirectoryError::UserExists { .. }
    ));
    assert!(matches!(
        directory.assign("new", &["bank"], Method::Pin).await,
        Err(DirectoryError::UnknownUser { .. })
    ));
    assert!(matches!(
        directory.assign("alice", &["x"], Method::Pin).await,
        Err(DirectoryError::UnknownSystem { .. })
    ));
    assert!(matches!(
        directory.set_policies("x", None, None).await,
        Err(DirectoryError::UnknownSystem { .. })
    ));
    assert!(matches!(directory.disable("new").await, Err(DirectoryError::UnknownUser { .. })));
    assert!(matches!(directory.create_key("tests").await, Err(DirectoryError::KeyExists { .. })));
    assert!(matches!(directory.create_key("").await, Err(DirectoryError::MalformedKeyName)));
    assert!(matches!(directory.revoke_key("x").await, Err(DirectoryError::UnknownKey { .. })));
}

#[tokio::test]
async fn a_key_says_when_it_was_used_and_its_name_is_free_once_revoked() {
    let authority = Authority::new().await;
    let directory = authority.server.directory();
    assert_eq!(directory.keys().await.unwrap()[0].last_used_at, None);
    authority.start("alice").await;
    let key = directory.keys().await.unwrap().remove(0);
    assert!(key.last_used_at.is_some() && key.revoked_at.is_none());
    assert!(authority.key.starts_with(&format!("fsk_{}_", key.prefix)));
    directory.revoke_key("tests").await.unwrap();
    directory.create_key("tests").await.unwrap();
    assert!(directory.keys().await.unwrap()[0].revoked_at.is_some());
}

#[tokio::test]
async fn the_audit_trail_can_only_grow() {
    let authority = Authority::new().await;
    for sql in ["UPDATE audit SET event = 'nothing'", "DELETE FROM audit"] {
        let error = authority.sql(sql).await.unwrap_err();
        assert!(error.contains("append-only"), "{error}");
    }
    assert_eq!(authority.audited("user added").await, 5);
    assert_eq!(authority.audited("assigned").await, 8);
}

#[tokio::test]
async fn a_lost_key_file_is_not_silently_replaced() {
    let authority = Authority::new().await;
    std::fs::remove_file(authority.database.keys()).unwrap();
    let opened = authority.database.directory().await;
    assert!(matches!(opened, Err(OpenError::Keys(ServerKeysError::Missing { .. }))));
}

#[tokio::test]
async fn what_was_made_before_a_rotation_is_good_after_it() {
    let authority = Authority::new().await;
    authority.start("alice").await;
    let pin = authority.newest().pin().unwrap().to_owned();
    let path = authority.database.keys();
    let mut keys = std::fs::read_to_string(&path).unwrap();
    keys.push_str("next AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    std::fs::write(&path, keys).unwrap();

    let restarted = authority.twin().await;
    let answer = restarted.check("alice", json!({"pin": pin})).await;
    answer.is(200, &json!({"result": "authenticated"}));
    restarted.start("alice").await;
    let made_with = "SELECT server_key <> 'next', count(*) FROM challenges GROUP BY 1";
    assert_eq!(restarted.sql(made_with).await.unwrap().len(), 2);
}

#[tokio::test]
async fn without_a_way_to_send_it_does_not_open() {
    let url = PublicUrl::parse("http://127.0.0.1:4000").unwrap();
    let opened = Server::open(Config::ephemeral(url).inbox(false)).await;
    assert!(matches!(opened, Err(OpenError::NoDelivery)));
}
