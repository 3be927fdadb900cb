//! Programs that misuse the library do not compile, and fail with the error that is expected of them.
//!
//! Each line of `programs` that must fail ends in a comment with the code of its error: `//~ E0308`. `//~v E0308` stands
//! on the line before. Text after the code must occur in what the compiler writes. A program without such a comment must
//! compile.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// An error that is expected or found: its line, its code, and what the compiler writes.
struct Error {
    line: usize,
    code: String,
    text: String,
}

/// Builds the library as the programs use it, and returns the file.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--offline", "--lib", "--features", "serde,testing", "--message-format", "json"])
            .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "--target-dir"])
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder"))
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files = messages(&output.stdout).filter(|message| message["target"]["name"] == "factorgate");
        let files = files.flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
        // The library is linked beside the folder of its dependencies.
        files
            .filter_map(|file| Some(PathBuf::from(file.as_str()?)))
            .find(|file| file.extension().is_some_and(|e| e == "rlib"))
            .expect("a library")
    })
}

fn messages(json: &[u8]) -> impl Iterator<Item = Value> {
    json.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

/// Compiles a program. Returns its errors.
fn compile(program: &Path) -> Vec<Error> {
    let library = library();
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--error-format", "json"])
        .arg("--extern")
        .arg(format!("factorgate={}", library.display()))
        .arg("-L")
        .arg(format!("dependency={}", library.with_file_name("deps").display()))
        .arg("--out-dir")
        .arg(env!("CARGO_TARGET_TMPDIR"))
        .arg(program)
        .output()
        .expect("rustc runs");
    let mut errors = Vec::new();
    for message in messages(&output.stderr).filter(|message| message["level"] == "error") {
        let spans = message["spans"].as_array().cloned().unwrap_or_default();
        let Some(span) = spans.iter().find(|span| span["is_primary"] == true) else { continue };
        let line = span["line_start"].as_u64().unwrap_or_default() as usize;
        let code = message["code"]["code"].as_str().unwrap_or("none").to_owned();
        // Not what is rendered, which repeats the line with its comment.
        let notes = message["children"].as_array().into_iter().flatten().chain([&message]);
        let notes: Vec<_> = notes.filter_map(|note| note["message"].as_str()).collect();
        errors.push(Error { line, code, text: notes.join("\n") });
    }
    assert!(output.status.success() == errors.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    errors
}

fn expected(source: &str) -> Vec<Error> {
    let mut errors = Vec::new();
    for (index, line) in source.lines().enumerate() {
        for mark in line.split("//~").skip(1) {
            let (line, mark) = mark.strip_prefix('v').map_or((index + 1, mark), |mark| (index + 2, mark));
            let (code, text) = mark.trim().split_once(' ').unwrap_or((mark.trim(), ""));
            errors.push(Error { line, code: code.to_owned(), text: text.to_owned() });
        }
    }
    errors
}

/// Says how a program differs from what its comments expect.
fn difference(program: &Path) -> Option<String> {
    let source = fs::read_to_string(program).expect("a program");
    let (expected, found) = (expected(&source), compile(program));
    let matches =
        |one: &Error, other: &Error| one.line == other.line && one.code == other.code && other.text.contains(&one.text);
    let mut lines = String::new();
    for one in expected.iter().filter(|one| !found.iter().any(|other| matches(one, other))) {
        lines += &format!("line {}: expected {} {}\n", one.line, one.code, one.text);
    }
    for other in found.iter().filter(|other| !expected.iter().any(|one| matches(one, other))) {
        lines += &format!("line {}: unexpected {}: {}\n", other.line, other.code, other.text);
    }
    (!lines.is_empty()).then(|| format!("{}:\n{lines}", program.display()))
}

fn programs(prefix: &str) -> Vec<PathBuf> {
    let folder = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compile_fail/programs")).expect("a folder");
    let files = folder.map(|entry| entry.expect("an entry").path());
    files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))).collect()
}

#[test]
fn misuse_fails_with_the_expected_error() {
    let programs = programs("n");
    let numbers: BTreeSet<_> =
        programs.iter().filter_map(|path| Some(path.file_name()?.to_str()?[..3].to_owned())).collect();
    assert_eq!(numbers.len(), 19);
    let marked = |path: &PathBuf| !expected(&fs::read_to_string(path).expect("a program")).is_empty();
    assert!(programs.iter().all(marked), "a program of a misuse names no error");
    let differences: Vec<_> = programs.iter().filter_map(|path| difference(path)).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn intended_use_compiles() {
    let programs = programs("ok");
    assert_eq!(programs.len(), 2);
    let differences: Vec<_> = programs.iter().filter_map(|path| difference(path)).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The control: the test notices a misuse that compiles, another error than the expected one, and an error elsewhere.
#[test]
fn control_other_results_are_noticed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let forged = "pub fn forge(row: &factorgate::UserRow) { row.forge() }";
    for (name, source, notices) in [
        ("compiles", "pub fn drop(_: factorgate::UserRow) {} //~ E0308".to_owned(), &["line 1: expected E0308"][..]),
        ("code", format!("{forged} //~ E0308"), &["line 1: expected E0308", "line 1: unexpected E0599"]),
        ("text", format!("{forged} //~ E0599 nobody says so"), &["line 1: expected E0599", "line 1: unexpected E0599"]),
        ("line", format!("//~ E0599\n{forged}"), &["line 1: expected E0599", "line 2: unexpected E0599"]),
        ("unmarked", forged.to_owned(), &["line 1: unexpected E0599"]),
    ] {
        let program = folder.join(format!("control_{name}.rs"));
        fs::write(&program, source).expect("a file");
        let difference = difference(&program).expect("a difference");
        assert!(notices.iter().all(|notice| difference.contains(notice)), "{difference}");
    }
}
