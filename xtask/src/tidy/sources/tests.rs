use super::*;

fn file() -> &'static Path {
    Path::new("src/file.rs")
}

#[test]
fn a_root_begins_with_its_documentation() {
    assert!(check_module_docs(file(), "//! What it is.\nuse a;\n").is_empty());
    assert!(check_module_docs(file(), "\n//! What it is.\n").is_empty());
    assert_eq!(check_module_docs(file(), "use a;\n//! too late\n").len(), 1);
    assert_eq!(check_module_docs(file(), "").len(), 1);
}

#[test]
fn a_long_file_is_named() {
    assert!(check_length(file(), &"x\n".repeat(LINES_MAX)).is_empty());
    assert_eq!(check_length(file(), &"x\n".repeat(LINES_MAX + 1)).len(), 1);
}

#[test]
fn exceptions_need_reasons() {
    let cases = [
        ("#[allow(dead_code)]", 1),
        ("#![allow(\n    dead_code,\n)]", 1),
        ("#[expect(dead_code)]", 1),
        ("#[cfg_attr(test, allow(dead_code))]", 1),
        (
            "#[allow(dead_code, reason = \"kept for the next step\")]",
            0,
        ),
        ("#![allow(\n    dead_code,\n    reason = \"x\"\n)]", 0),
        ("// #[allow(dead_code)]", 0),
        ("let x = \"#[allow(dead_code)]\";", 0),
        ("let x = y.expect(\"always\");", 0),
        ("f(a, expect(b))", 0),
    ];
    for (text, problems) in cases {
        assert_eq!(check_reasons(file(), text).len(), problems, "{text}");
    }
}

#[test]
fn pure_code_names_no_clock_and_no_socket() {
    let cases = [
        ("use std::net::TcpStream;", 1),
        ("use std::net::{IpAddr, ToSocketAddrs};", 1),
        ("use std::{fmt, fs};", 1),
        ("use std::net::{IpAddr, SocketAddr};", 0),
        ("use std::{fmt, fs::File};", 1),
        ("let now = Instant::now();", 1),
        ("tokio::spawn(x);", 1),
        ("fn f(at: std::time::SystemTime) {}", 1),
        ("use std::fmt;", 0),
        ("// tokio and std::fs do that", 0),
        ("let text = \"tokio\";", 0),
        ("let text = r#\"a \" tokio\"#;", 0),
        ("let quote = '\"'; tokio::spawn(x); let other = '\"';", 1),
        ("let miocene = 1;", 0),
        ("#[cfg(test)]\nmod tests {\n    use std::fs;\n}", 0),
        ("use std::fs;\n#[cfg(test)]\nmod tests {\n}", 1),
    ];
    for (text, problems) in cases {
        assert_eq!(check_pure(file(), text).len(), problems, "{text}");
    }
}

#[test]
fn blanking_keeps_line_numbers() {
    let text = "/* a\nb */ x\n\"c\nd\" y\n// e\nz\n";
    let code = code_only(text);
    assert_eq!(code.lines().count(), text.lines().count());
    assert_eq!(code.lines().nth(1), Some(" x"));
    assert_eq!(code.lines().nth(5), Some("z"));
}

#[test]
fn modules_of_tests_are_known_by_their_declaration() {
    let text = "mod a;\n#[cfg(test)]\nmod golden;\n// #[cfg(test)] mod no;\n#[cfg(test)]\nmod tests { mod b; }\n";
    assert_eq!(test_modules(text), ["golden"]);
}
