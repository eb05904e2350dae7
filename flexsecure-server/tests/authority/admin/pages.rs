use flexsecure_server::NewUser;
use reqwest::header::LINK;

use super::Office;
use crate::harness::send;

#[tokio::test]
async fn every_user_is_on_one_page_whatever_is_added_meanwhile() {
    let office = Office::new().await;
    for number in 0..25 {
        let user = NewUser::new(format!("u{number:02}")).email("u@example.com");
        office.directory().add_user(user).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut path = "users?prefix=u&limit=10".to_owned();
    loop {
        let page = office.get(&path).await;
        let body = page.json();
        let items = body["items"].as_array().unwrap();
        seen.extend(items.iter().map(|user| user["authid"].as_str().unwrap().to_owned()));
        // Before what was read, and after.
        for name in ["u-by-", "uz-by-"] {
            let user = NewUser::new(format!("{name}{}", seen.len())).email("u@example.com");
            office.directory().add_user(user).await.unwrap();
        }
        if seen.len() == 10 {
            office.directory().delete_user("u09").await.unwrap();
        }
        let Some(next) = body["next"].as_str() else {
            assert!(page.headers.get(LINK).is_none());
            break;
        };
        let link = page.headers[LINK].to_str().unwrap();
        let target = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        assert!(target.contains(next) && target.contains("prefix=u"), "{link}");
        path = target.strip_prefix("/v1/admin/").unwrap().to_owned();
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(seen, sorted, "in order, and none twice");
    assert_eq!(seen.iter().filter(|user| user.len() == 3).count(), 25, "{seen:?}");
}

#[tokio::test]
async fn users_are_found_by_how_they_begin_and_whether_they_are_disabled() {
    let office = Office::new().await;
    let found = async |query: &str| {
        let body = office.get(&format!("users?{query}")).await.json();
        let items = body["items"].as_array().unwrap();
        let names: Vec<_> = items.iter().map(|user| user["authid"].as_str().unwrap()).collect();
        names.join(" ")
    };
    assert_eq!(found("").await, "alice bob carol dave erin");
    assert_eq!(found("disabled=true").await, "dave");
    assert_eq!(found("disabled=false&limit=2").await, "alice bob");
    assert_eq!(found("prefix=c").await, "carol");
    assert_eq!(found("prefix=car%25").await, "");
    assert_eq!(found("prefix=%00").await, "");
}

#[tokio::test]
async fn keys_and_systems_have_pages_too() {
    let office = Office::new().await;
    for (list, name) in [("systems", "name"), ("keys", "name")] {
        let first = office.get(&format!("{list}?limit=1")).await.json();
        let next = first["next"].as_str().unwrap();
        let second = office.get(&format!("{list}?limit=1&cursor={next}")).await.json();
        assert_ne!(first["items"][0][name], second["items"][0][name]);
        assert!(second["next"].is_null());
    }
    // A cursor of another list is none of this one, or begins somewhere in it: nothing else.
    let systems = office.get("systems?limit=1").await.json();
    let foreign = format!("keys?cursor={}", systems["next"].as_str().unwrap());
    assert_eq!(office.get(&foreign).await.status, 400);
    let url = format!("{}/v1/admin/users", office.authority.base);
    assert_eq!(send(office.authority.http.get(url)).await.status, 401);
}
