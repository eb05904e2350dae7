use crate::harness::Place;

const EXAMPLE: &str = include_str!("../../../packaging/flexsecure.toml");
const UNIT: &str = include_str!("../../../packaging/flexsecure-server.service");
const CONTAINER: &str = include_str!("../../../packaging/Containerfile");
const MANUAL: &str = include_str!("../../../docs/operations.md");

/// The example with everything that it only mentions.
fn whole() -> String {
    let is_setting = |line: &str| {
        let name = line.trim_start_matches('#');
        name.len() + 1 == line.len()
            && name.starts_with(|c: char| c == '[' || c.is_ascii_lowercase())
    };
    let shown = EXAMPLE.lines().map(|line| if is_setting(line) { &line[1..] } else { line });
    shown.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_example_is_a_configuration() {
    let place = Place::empty().await;
    place.write("mail-password", "hunter2");
    for text in [EXAMPLE.to_owned(), whole()] {
        place.write("flexsecure.toml", &text);
        let out = place.works(&["config", "check", "--config", "flexsecure.toml"]).await;
        assert!(
            out.contains("public_url = \"https://auth.example.com\"") && !out.contains("hunter2")
        );
    }
    let out = place.works(&["config", "check", "--config", "flexsecure.toml"]).await;
    for key in ["certificate", "pages", "max_connections", "server_keys", "url", "from"] {
        let is_of_file = |line: &&str| line.starts_with(&format!("{key} = "));
        let line = out.lines().find(is_of_file).unwrap_or_else(|| panic!("no {key} in {out}"));
        assert!(line.contains("# flexsecure.toml:"), "{line}");
    }
}

#[tokio::test]
async fn the_manual_has_every_setting() {
    let place = Place::empty().await;
    let help = place.works(&["serve", "--help"]).await;
    let words = help.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)));
    let mut seen = 0;
    for word in words.filter(|word| word.starts_with("--") && *word != "--help") {
        assert!(MANUAL.contains(&format!("`{word}")), "{word} is not in the manual");
        seen += 1;
    }
    assert!(seen > 12, "{help}");
    for line in whole().lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, _)) = line.split_once(" = ") {
            assert!(MANUAL.contains(&format!("`{key}`")), "{key} is not in the manual");
        }
    }
}

#[test]
fn unit_and_container_call_the_program_as_it_is() {
    assert!(UNIT.contains("flexsecure-server serve --config /etc/flexsecure/flexsecure.toml"));
    assert!(CONTAINER.contains(r#"CMD ["serve", "--config", "/etc/flexsecure/flexsecure.toml"]"#));
    assert!(CONTAINER.contains("USER 65532") && UNIT.contains("NoNewPrivileges=true"));
}
