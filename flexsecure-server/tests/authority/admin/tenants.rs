//! Two accounts that know of nothing of each other.

use flexsecure_server::{KeyRequest, Method, NewUser, Policies, Scopes, System};
use serde_json::json;

use super::{Office, document::calls, is_problem};
use crate::harness::{check_body, send};

/// T47: whatever a path can name: what the one account has, by every name, is none for the other.
#[tokio::test]
async fn no_name_of_another_account_is_found_read_or_changed() {
    let office = Office::new().await;
    let other = office.directory().account("other").await.unwrap();
    let key = other.create(KeyRequest::new("own").scopes(Scopes::ADMIN)).await.unwrap();
    let key = key.expose().to_owned();
    let asks = other.create_key("asks").await.unwrap().expose().to_owned();
    let all = calls(&office).await;
    let http = &office.authority.http;
    let url = |path: &str| format!("{}{path}", office.authority.base);
    // So that their use is noted already.
    send(http.get(url("/v1/admin/account")).header("apikey", &key)).await;
    send(http.get(url("/v1/capabilities")).header("apikey", &asks)).await;
    let own_names: Vec<String> = office
        .directory()
        .keys()
        .await
        .unwrap()
        .into_iter()
        .map(|key| key.name.replace(' ', "%20"))
        .collect();
    let before = office.authority.dump().await;
    let mut asked = 0;
    for call in all.iter().filter(|call| call.path.contains('{')) {
        let is_key = call.path.starts_with("/v1/admin/keys");
        let names =
            if is_key { own_names.clone() } else { vec!["bank".into(), "bank-transfers".into()] };
        for name in names {
            for auth_id in ["alice", "bob", "dave"] {
                // Putting what has a name is how one's own is made: see below.
                let last = call.path.rsplit('/').next().unwrap();
                if call.method == "PUT" && (last == "{name}" || last == "{authid}") {
                    continue;
                }
                let path = call.path.replace("{authid}", auth_id);
                let path = path.replace("{system}", &name).replace("{name}", &name);
                let mut request =
                    http.request(call.method.clone(), url(&path)).header("apikey", &key);
                if call.media_type.is_some() {
                    request = request.json(&call.body);
                }
                is_problem(&send(request).await, 404, "not-found", &[]);
                asked += 1;
            }
        }
    }
    assert!(asked > 50, "{asked}");
    for (path, body) in [
        ("/v1/start", json!({"system": "bank", "authid": "alice"})),
        ("/v1/check", json!({"system": "bank", "authid": "alice"})),
    ] {
        let answer = send(http.post(url(path)).header("apikey", &asks).json(&body)).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    // A refused start is in the trail of who asked, and nowhere else.
    let after = office.authority.dump().await;
    // In any order: PostgreSQL moves a row when the use of a key is noted.
    let other_tables = |dump: &str| -> Vec<Vec<String>> {
        let but = ["audit.", "sqlite_sequence.", "api_keys.last_used_at"];
        let lines = dump.lines().filter(|line| but.iter().all(|name| !line.starts_with(name)));
        let sorted = lines.map(|line| {
            let mut values: Vec<_> = line.split(' ').map(str::to_owned).collect();
            values.sort();
            values
        });
        sorted.collect()
    };
    assert_eq!(other_tables(&after), other_tables(&before));
    let of_first = "SELECT count(*) FROM audit WHERE account_id = 1 AND id > (SELECT min(id) FROM audit WHERE event = 'start refused') - 1";
    assert_eq!(office.authority.sql(of_first).await.unwrap()[0][0], "0");

    // Lists hold one's own alone.
    for (list, own) in [("users", 0), ("systems", 0), ("keys", 2)] {
        let path = url(&format!("/v1/admin/{list}"));
        let listed = send(http.get(path).header("apikey", &key)).await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), own, "{list}");
    }
    // A system of the other account can't be assigned, and a key can't be for it.
    let mine = json!({"contacts": [{"channel": "email", "address": "a@example.com"}],
        "assignments": [{"system": "bank", "method": "pin"}]});
    let answer = send(http.put(url("/v1/admin/users/me")).header("apikey", &key).json(&mine)).await;
    is_problem(&answer, 422, "invalid", &["/assignments/0/system"]);
    let body = json!({"name": "k", "scopes": ["authenticate"], "system": "bank"});
    let answer = send(http.post(url("/v1/admin/keys")).header("apikey", &key).json(&body)).await;
    is_problem(&answer, 422, "invalid", &["/system"]);
    let answer = send(
        http.post(url("/v1/admin/users/import"))
            .header("apikey", &key)
            .header("content-type", "text/csv")
            .body("authid,email,assignments\nme,me@example.com,bank=pin\n"),
    )
    .await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(other_tables(&office.authority.dump().await), other_tables(&before));
}

/// T47: the same names in both are two things each.
#[tokio::test]
async fn what_has_the_same_name_in_both_is_changed_in_one() {
    let office = Office::new().await;
    let other = office.directory().account("other").await.unwrap();
    let key = other.create(KeyRequest::new("own").scopes(Scopes::ADMIN)).await.unwrap();
    other.add_system("bank", Policies::both()).await.unwrap();
    other.add_user(NewUser::new("alice").email("alice@example.net")).await.unwrap();
    other.assign("alice", &["bank"], Method::Pin).await.unwrap();
    let mine = office.get("users/alice").await.json();
    let url = |path: &str| format!("{}/v1/admin/{path}", office.authority.base);
    let http = &office.authority.http;
    for path in ["users/alice", "systems/bank"] {
        let answer = send(http.delete(url(path)).header("apikey", key.expose())).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    assert_eq!(office.get("users/alice").await.json(), mine);
    assert_eq!(office.get("systems/bank").await.status, 200);
    other.put_system(System::new("bank", Policies::new(false, false))).await.unwrap();
    assert_eq!(office.get("systems/bank").await.json()["pin"], true);
    let settings = json!({"sms_countries": [], "sms_daily_budget": 0});
    let put = http.put(url("account")).header("apikey", key.expose()).json(&settings);
    assert_eq!(send(put).await.json()["name"], "other");
    assert_eq!(office.get("account").await.json()["sms_countries"], json!(["+41"]));
}

/// T47: a challenge is none for another account, whatever of it is known there.
#[tokio::test]
async fn a_challenge_of_another_account_is_none() {
    let Office { authority, key: key_of_its_own } = Office::new().await;
    let other = authority.server.directory().account("other").await.unwrap();
    let key = other.create_key("asks").await.unwrap().expose().to_owned();
    let alices = authority.start("alice").await["txn"].clone();
    let pin = authority.newest().pin().unwrap().to_owned();
    let bobs = authority.start("bob").await;
    let form = [("match", bobs["match"].as_str().unwrap()), ("action", "approve")];
    authority.answer_link(authority.newest().link().unwrap(), &form).await;
    let before = authority.sql("SELECT attempts, claimed FROM challenges").await.unwrap();
    for (user, more) in [
        ("alice", json!({})),
        ("alice", json!({"txn": alices})),
        ("alice", json!({"pin": pin})),
        ("alice", json!({"txn": alices, "pin": pin})),
        ("bob", json!({})),
        ("bob", json!({"txn": bobs["txn"]})),
    ] {
        let check = authority.http.post(format!("{}/v1/check", authority.base));
        let check = check.header("apikey", &key).json(&check_body(user, more));
        send(check).await.is(403, &json!({"result": "security error"}));
    }
    let admin = other.create(KeyRequest::new("own").scopes(Scopes::ADMIN)).await.unwrap();
    for (key, status) in [(admin.expose(), 404), (key_of_its_own.as_str(), 200)] {
        let txn = alices.as_str().unwrap();
        let url = format!("{}/v1/admin/challenges/{txn}", authority.base);
        let timeline = send(authority.http.get(url).header("apikey", key)).await;
        assert_eq!(timeline.status, status);
    }
    assert_eq!(authority.sql("SELECT attempts, claimed FROM challenges").await.unwrap(), before);
    for (user, more) in [("alice", json!({"txn": alices, "pin": pin})), ("bob", json!({}))] {
        authority.check(user, more).await.is(200, &json!({"result": "authenticated"}));
    }
}
