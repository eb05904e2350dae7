use flexsecure_core::Gate;
use flexsecure_core::authority::ScriptedAuthority;
use flexsecure_core::refusal::Reason;

use super::*;
use crate::bank::{Bank, Proof, Receipt};
use crate::body::Sent;
use crate::probe;
use crate::reply::BankError;
use crate::session::{Sessions, User};

const EVIL: &str = "\"><script>alert('1')</script>&lt;";

fn bank() -> (Bank, User) {
    let gate = Gate::builder(ScriptedAuthority::pin("48151623")).build().unwrap();
    let inbox = Some("http://127.0.0.1:4000/inbox?a=\"&b".to_owned());
    (Bank::new(gate, Sessions::new(None), inbox), User::in_new_session("alice").unwrap())
}

fn form(fields: &[(&str, &str)]) -> Sent {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    Sent::new(Some(b"application/x-www-form-urlencoded"), Ok(body.into()))
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body().to_vec()).unwrap()
}

fn header<'r>(reply: &'r Reply, name: &str) -> Vec<&'r str> {
    let headers = reply.headers().iter().filter(|(known, _)| *known == name);
    headers.map(|(_, value)| value.as_str()).collect()
}

/// What alice sees of `reply`, which has to be a whole page of the bank.
#[track_caller]
fn page(reply: Reply) -> String {
    let status = reply.status();
    let page = of(reply, Some("alice"), None);
    assert_eq!(page.status(), if status == 204 { 200 } else { status });
    let text = text(&page);
    assert!(text.starts_with("<!doctype html>") && text.ends_with("</html>"), "{text}");
    assert!(text.contains("<strong>alice</strong>") && text.contains("href=\"/\""), "{text}");
    assert_strict(&page);
    text
}

#[track_caller]
fn assert_strict(page: &Reply) {
    let text = text(page);
    assert_eq!(header(page, "content-type"), ["text/html; charset=utf-8"], "{text}");
    assert_eq!(header(page, "cache-control"), ["no-store"]);
    assert_eq!(header(page, "content-security-policy"), [CONTENT_SECURITY_POLICY]);
    assert_eq!(header(page, "x-content-type-options"), ["nosniff"]);
    assert_eq!(header(page, "referrer-policy"), ["same-origin"]);
    for inline in ["<script>", "<style", " style=", " onclick", "javascript:", "src=\"http"] {
        assert!(!text.contains(inline), "{inline}: {text}");
    }
}

fn receipt(to: &str, elevation: Option<Proof>) -> Receipt {
    let order = form(&[("to", to), ("amount", "1234.5")]);
    let (bank, alice) = bank();
    let transfer = bank.order(&alice, &order).unwrap();
    Receipt { id: 7, to: transfer.to, amount: transfer.amount, elevation }
}

fn proof() -> Proof {
    Proof {
        system: "bank-transfers".to_owned(),
        method: "pin",
        authenticated_at: "2026-11-23T20:22:50.255Z".to_owned(),
        operation: Some(format!("Transfer 1234.50 EUR to {EVIL}")),
    }
}

#[test]
fn every_answer_has_a_page_that_reads_well() {
    let (bank, alice) = bank();
    let balance = page(bank.balance(&alice).unwrap());
    assert!(balance.contains("50,000.00") && balance.contains("<h1>Balance</h1>"), "{balance}");
    assert!(balance.contains("<title>Balance · Demo Bank</title>"), "{balance}");
    let statements = page(bank.statements(&alice));
    assert!(statements.contains("January 2026") && statements.contains("2026-01"), "{statements}");
    let none = page(bank.transfers(&alice).unwrap());
    assert!(none.contains("None yet"), "{none}");

    let order = bank.order(&alice, &form(&[("to", "bob"), ("amount", "1234.5")])).unwrap();
    let made = page(bank.transfer(&alice, order, None).unwrap());
    assert!(made.contains("1,234.50") && made.contains("<bdi>bob</bdi>"), "{made}");
    let list = page(bank.transfers(&alice).unwrap());
    assert!(list.contains("1,234.50 EUR") && list.contains("<bdi>bob</bdi>"), "{list}");

    let frozen = page(bank.freeze(&form(&[("user", "carol")])).unwrap());
    assert!(frozen.contains("Account frozen") && frozen.contains("carol"), "{frozen}");
    let users = page(bank.users());
    assert!(users.contains("51,234.50 EUR") && users.contains(">frozen<"), "{users}");
    let closed = page(bank.close("carol").unwrap());
    assert!(closed.contains("Account closed"), "{closed}");
}

#[test]
fn a_proof_is_shown_with_the_transfer_it_was_for() {
    let proven = receipt("bob", Some(proof()));
    for (template, reply) in [
        ("receipt.html", Reply::json(201, &proven)),
        ("transfers.html", Reply::json(200, &[&proven])),
    ] {
        let text = page(reply.page(template));
        assert!(text.contains("by PIN"), "{text}");
        assert!(text.contains("23 November 2026, 20:22 UTC"), "{text}");
    }
}

#[test]
fn what_a_user_typed_is_text() {
    let proven = receipt(EVIL, Some(proof()));
    let (bank, alice) = bank();
    let order = bank.order(&alice, &form(&[("to", EVIL), ("amount", "1")])).unwrap();
    let pages = [
        page(bank.transfer(&alice, order, None).unwrap()),
        page(bank.transfers(&alice).unwrap()),
        page(Reply::json(201, &proven).page("receipt.html")),
        page(Reply::json(200, &[proven]).page("transfers.html")),
    ];
    for page in pages {
        assert!(!page.contains("<script") && !page.contains("\">&lt;script"), "{page}");
        assert!(page.contains("&lt;script&gt;alert("), "{page}");
        assert!(page.contains("&amp;lt;"), "{page}");
    }
}

#[test]
fn every_error_of_the_bank_has_a_page() {
    for error in [
        BankError::BodyIncomplete,
        BankError::UnknownUser,
        BankError::Frozen,
        BankError::NotFound,
        BankError::NoSuchUser,
        BankError::MethodNotAllowed("GET, HEAD"),
        BankError::BodyTooLarge,
        BankError::ContentTypeUnsupported,
        BankError::Invalid("send {\"user\":\"<alice>\"}"),
        BankError::NoSession,
        BankError::StoreUnavailable,
    ] {
        let plain = Reply::from(error);
        let text = page(plain.clone());
        assert!(!text.contains("<alice>"), "{text}");
        // What stands in other headers holds for people, too.
        let shown = of(plain.clone(), None, None);
        for name in ["allow", "retry-after", "www-authenticate"] {
            assert_eq!(header(&shown, name), header(&plain, name));
        }
        assert_strict(&shown);
    }
}

#[test]
fn a_probe_says_in_words_what_it_found() {
    let open = page(probe::open());
    assert!(open.contains("It would not ask"), "{open}");
    for (reason, words) in [
        (Reason::Missing, "You have proved nothing"),
        (Reason::Stale, "too old"),
        (Reason::Spent, "used up"),
        (Reason::NoMethod, Reason::NoMethod.as_str()),
    ] {
        let text = page(probe::answer(Some(reason)));
        assert!(text.contains("It would ask for a proof") && text.contains(words), "{text}");
    }
}

#[tokio::test]
async fn a_logout_leads_to_the_front_page_and_takes_the_cookie_along() {
    let (bank, alice) = bank();
    let plain = bank.logout(Some(&alice)).await.unwrap();
    assert_eq!((plain.status(), plain.body().len()), (204, 0));
    let shown = bank.page(plain.clone(), Some(&alice));
    assert_eq!((shown.status(), header(&shown, "location")), (303, vec!["/"]));
    assert_eq!(header(&shown, "set-cookie"), header(&plain, "set-cookie"));
    let forgotten = page(bank.change_password(&alice).await.unwrap());
    assert!(forgotten.contains("proved no more"), "{forgotten}");
}

#[test]
fn the_front_page_is_for_whoever_comes() {
    let (bank, alice) = bank();
    let login = bank.home(None);
    assert_strict(&login);
    let text_of_login = text(&login);
    for user in USERS {
        let button = format!("name=\"user\" value=\"{user}\"");
        assert!(text_of_login.contains(&button), "{text_of_login}");
    }
    assert!(text_of_login.contains("inbox?a=&quot;&amp;b"), "{text_of_login}");
    for user in USERS {
        let home = bank.home(Some(&User::in_new_session(user).unwrap()));
        assert_strict(&home);
        assert!(text(&home).contains(&format!("<strong>{user}</strong>")), "{home:?}");
    }
    let home = text(&bank.home(Some(&alice)));
    for way in [
        "href=\"/balance\"",
        "href=\"/statements\"",
        "href=\"/transfers\"",
        "href=\"/admin/users\"",
        "action=\"/transfers\"",
        "action=\"/admin/freeze\"",
        "action=\"/password\"",
        "action=\"/logout\"",
    ] {
        assert!(home.contains(way), "{way}: {home}");
    }
}

/// What only a script can do is not there until one is.
#[test]
fn buttons_of_the_script_are_hidden_and_have_a_place_for_what_comes_of_them() {
    let (bank, alice) = bank();
    let home = text(&bank.home(Some(&alice)));
    let buttons: Vec<_> =
        home.split("<button").filter(|rest| rest.contains("by script, here")).collect();
    assert_eq!(home.matches("by script, here").count(), 7);
    let own = buttons.iter().filter_map(|rest| rest.split('>').next());
    let own: Vec<_> =
        own.filter(|tag| tag.contains("data-load") || tag.contains("data-send")).collect();
    assert_eq!(own.len(), 7, "{own:?}");
    for tag in own {
        assert!(tag.ends_with(" hidden"), "{tag}");
        let place = tag.split("data-result=\"").nth(1).and_then(|rest| rest.split('"').next());
        assert!(home.contains(&format!("id=\"{}\"", place.unwrap())), "{tag}");
    }
}

#[test]
fn an_account_that_is_overdrawn_or_frozen_says_so() {
    let (bank, alice) = bank();
    bank.freeze(&form(&[("user", "alice")])).unwrap();
    assert!(text(&bank.home(Some(&alice))).contains("frozen</span></h1>"));
}

#[test]
fn files_are_kept_for_five_minutes_and_are_what_they_say() {
    for (file, kind) in
        [(style(), "text/css"), (script(), "text/javascript"), (icon(), "image/svg")]
    {
        assert_eq!(header(&file, "cache-control"), ["public, max-age=300"]);
        assert!(header(&file, "content-type")[0].starts_with(kind));
        assert!(!file.body().is_empty());
    }
}

#[test]
fn what_has_no_page_stays_as_it_is() {
    let health = of(Bank::health(), Some("alice"), None);
    assert_eq!((text(&health).as_str(), header(&health, "vary").len()), ("ok", 0));
    assert_eq!(of(Reply::empty(204), None, None).status(), 204);
}

#[test]
fn a_page_that_cannot_be_made_is_an_error_without_details() {
    let broken = of(Reply::json(200, &1).page("balance.html"), None, None);
    assert_eq!((broken.status(), text(&broken)), (500, BROKEN.to_owned()));
    assert_strict(&broken);
}
