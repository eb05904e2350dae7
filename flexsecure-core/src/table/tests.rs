use std::borrow::Cow;

use super::*;
use crate::{Identity, PlainRequest, Requirement, Timestamp};

/// A request whose matched route is known, or not.
struct Routed<'a>(PlainRequest<'a>, Option<&'a str>);

impl RequestView for Routed<'_> {
    fn method(&self) -> &str {
        self.0.method()
    }

    fn path(&self) -> &str {
        self.0.path()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.0.header(name)
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        self.0.headers(show);
    }

    fn matched_route(&self) -> Option<Cow<'_, str>> {
        self.1.map(Cow::Borrowed)
    }
}

/// What a request takes: nothing, a login, the proof for a system, or it is denied.
fn takes(table: &impl Policy, method: &str, path: &str, route: Option<&str>) -> String {
    let request = Routed(PlainRequest { method, path, headers: &[] }, route);
    let identity = Identity::new("alice", "session");
    let is_open = table.admits_anyone(&request);
    match table.decide(&Facts::new(&request, &identity, Timestamp::from_millis(0))) {
        Decision::Allow => if is_open { "nothing" } else { "login" }.to_owned(),
        _ if is_open => "nothing of strangers alone".to_owned(),
        Decision::Require(requirement) => requirement.scope().system().to_owned(),
        Decision::Deny | Decision::Refuse(_) => "denied".to_owned(),
        Decision::Prove(_) | Decision::OnDemand | Decision::Abstain | Decision::Later(_) => {
            "something else".to_owned()
        }
    }
}

fn system(name: &str) -> Requirement {
    Requirement::system(name)
}

fn logged_in(_: &Facts<'_>) -> Decision<'static> {
    Decision::Allow
}

#[test]
fn a_route_takes_what_its_entry_says_and_everything_else_is_denied() {
    let table = RouteTable::new()
        .open("GET", "/healthz")
        .get("/balance", logged_in)
        .get("/users/{id}", system("bank"))
        .delete("/users/{id}", system("admin"))
        .on("PURGE", "/cache", system("ops"))
        .any("/files/{*path}", system("files"))
        .open("OPTIONS", "/files/{*path}")
        .into_policy(HeadRouting::AsGet)
        .unwrap();
    for (method, route, expected) in [
        ("GET", "/healthz", "nothing"),
        ("HEAD", "/healthz", "nothing"),
        ("POST", "/healthz", "denied"),
        ("GET", "/balance", "login"),
        ("GET", "/users/{id}", "bank"),
        ("HEAD", "/users/{id}", "bank"),
        ("DELETE", "/users/{id}", "admin"),
        ("OPTIONS", "/users/{id}", "denied"),
        ("get", "/users/{id}", "denied"),
        ("GET", "/users/{name}", "denied"),
        ("GET", "/users/7", "denied"),
        ("PURGE", "/cache", "ops"),
        ("HEAD", "/cache", "denied"),
        ("GET", "/files/{*path}", "files"),
        ("ANYTHING", "/files/{*path}", "files"),
        ("OPTIONS", "/files/{*path}", "nothing"),
    ] {
        // A path that looks like a route is none.
        assert_eq!(takes(&table, method, "/healthz", Some(route)), expected, "{method} {route}");
        assert_eq!(takes(&table, method, route, None), "denied", "{method} {route}");
    }
}

#[test]
fn head_is_what_get_is_unless_it_is_listed_or_routed_apart() {
    let any = RouteTable::new().get("/a", system("get")).any("/a", system("any"));
    let any = any.into_policy(HeadRouting::AsGet).unwrap();
    assert_eq!(takes(&any, "HEAD", "/a", Some("/a")), "get");
    let own = RouteTable::new().on("HEAD", "/a", system("head")).any("/a", system("any"));
    let own = own.into_policy(HeadRouting::AsGet).unwrap();
    assert_eq!(takes(&own, "HEAD", "/a", Some("/a")), "head");
    assert_eq!(takes(&own, "GET", "/a", Some("/a")), "any");
    let apart = RouteTable::new().get("/a", system("get")).into_policy(HeadRouting::Apart).unwrap();
    assert_eq!(takes(&apart, "HEAD", "/a", Some("/a")), "denied");
    assert_eq!(takes(&apart, "GET", "/a", Some("/a")), "get");
}

#[test]
fn an_rpc_is_known_by_its_exact_path_within_the_route_of_its_service() {
    let table = RouteTable::new()
        .rpc("/vault.Vault/Reveal", system("vault"))
        .open_rpc("/grpc.health.v1.Health/Check")
        .any("/vault.Vault/{*rest}", logged_in)
        .into_policy(HeadRouting::AsGet)
        .unwrap();
    let (service, other) = (Some("/vault.Vault/{*rest}"), Some("/{*rest}"));
    assert_eq!(takes(&table, "POST", "/vault.Vault/Reveal", service), "vault");
    assert_eq!(takes(&table, "POST", "/vault.Vault/Reveal?x=y", service), "vault");
    assert_eq!(takes(&table, "POST", "/vault.Vault/List", service), "login");
    assert_eq!(takes(&table, "POST", "/vault.Vault/Reveal", None), "vault");
    assert_eq!(takes(&table, "POST", "/grpc.health.v1.Health/Check", None), "nothing");
    for (method, path, route) in [
        ("GET", "/vault.Vault/Reveal", None),
        ("POST", "/vault.Vault/Reveal", other),
        ("POST", "/grpc.health.v1.Health/Check", other),
        ("POST", "/vault.Vault/Reveal/", None),
        ("POST", "//vault.Vault/Reveal", None),
        ("POST", "vault.Vault/Reveal", None),
        ("POST", "/vault.vault/Reveal", None),
        ("POST", "/vault.Vault/%52eveal", None),
    ] {
        assert_eq!(takes(&table, method, path, route), "denied", "{method} {path} {route:?}");
    }
}

#[test]
fn a_mistake_is_told() {
    let mistake =
        |table: RouteTable| table.into_policy(HeadRouting::AsGet).err().unwrap().to_string();
    let table = || RouteTable::new().get("/a", system("one"));
    assert_eq!(
        mistake(table().open("GET", "/a").post("no route", system("two"))),
        "GET /a is listed twice: which of the two entries is meant?"
    );
    let twice = table().open_any("/a").any("/a", system("two"));
    assert_eq!(mistake(twice), "* /a is listed twice: which of the two entries is meant?");
    let twice = table().open_rpc("/a.B/C").open_rpc("/a.B/C");
    assert_eq!(mistake(twice), "RPC /a.B/C is listed twice: which of the two entries is meant?");
    for route in ["", "a", "GET /a"] {
        assert!(mistake(table().post(route, system("two"))).starts_with("the route"), "{route}");
    }
    for method in ["", "get", "GET,POST", "*"] {
        assert!(mistake(table().open(method, "/b")).contains("is no method"), "{method}");
    }
    for path in ["", "/a", "a.B/C", "/a.B/", "//C", "/a.B/{method}", "/a.B/C?d"] {
        assert!(mistake(table().open_rpc(path)).starts_with("the RPC"), "{path}");
    }
}
