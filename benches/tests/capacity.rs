//! The program that measures capacity still runs, in a hundredth of its size.

use std::process::Command;

#[test]
fn every_part_of_the_program_runs() {
    let output = Command::new(env!("CARGO_BIN_EXE_capacity")).arg("--small").output().unwrap();
    let (told, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{errors}");
    for figure in [
        "bytes of a pending flow",
        "while full: somebody new",
        "axum: answered as they should be",
        "actix: answered as they should be",
        "times as many on two threads",
        "v1, link, answer after 60 s, on three",
        // Left out, and said so, where there is no server.
        "Redis",
    ] {
        assert!(told.contains(figure), "{figure}: {told}");
    }
    let lost: Vec<_> = told.lines().filter(|line| line.contains(": lost ")).collect();
    assert_eq!(lost.len(), 2, "{told}");
    assert!(lost.iter().all(|line| line.ends_with(" 0")), "{told}");
}
