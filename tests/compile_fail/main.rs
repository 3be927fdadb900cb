//! Programs that misuse the library do not compile, and fail with the error that is expected of them.
//!
//! Each line of `programs` that must fail ends in a comment with the code of its error: `//~ E0308`. `//~v E0308` stands
//! on the line before. Text after the code must occur in what the compiler writes. A program without such a comment must
//! compile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// What a line must fail with, or what it failed with: the code, and what the compiler writes.
type Errors = BTreeMap<usize, (String, String)>;

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

/// Compiles a program. Returns its errors, by their lines.
fn compile(program: &Path) -> Errors {
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
    let mut errors = Errors::new();
    for message in messages(&output.stderr).filter(|message| message["level"] == "error") {
        let spans = message["spans"].as_array().cloned().unwrap_or_default();
        let Some(span) = spans.iter().find(|span| span["is_primary"] == true) else { continue };
        let line = span["line_start"].as_u64().unwrap_or_default() as usize;
        let code = message["code"]["code"].as_str().unwrap_or("none").to_owned();
        errors.insert(line, (code, message["rendered"].as_str().unwrap_or_default().to_owned()));
    }
    assert!(output.status.success() == errors.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    errors
}

fn expected(source: &str) -> Errors {
    let marked = |(index, line): (usize, &str)| {
        let (_, mark) = line.split_once("//~")?;
        let (line, mark) = mark.strip_prefix('v').map_or((index + 1, mark), |mark| (index + 2, mark));
        let (code, text) = mark.trim().split_once(' ').unwrap_or((mark.trim(), ""));
        Some((line, (code.to_owned(), text.to_owned())))
    };
    source.lines().enumerate().filter_map(marked).collect()
}

/// Says how a program differs from what its comments expect.
fn difference(program: &Path) -> Option<String> {
    let source = fs::read_to_string(program).expect("a program");
    let (expected, found) = (expected(&source), compile(program));
    let mut lines = String::new();
    for (line, (code, text)) in &expected {
        match found.get(line) {
            None => lines += &format!("line {line} compiles; expected {code}\n"),
            Some((other, written)) if other != code || !written.contains(text) => {
                lines += &format!("line {line} fails with {other}; expected {code} {text}\n{written}");
            }
            Some(_) => {}
        }
    }
    for (line, (code, written)) in found.iter().filter(|(line, _)| !expected.contains_key(line)) {
        lines += &format!("line {line} fails with {code}; expected it to compile\n{written}");
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
    let numbers: std::collections::BTreeSet<_> =
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
    for (name, source, notice) in [
        (
            "control_compiles",
            "pub fn row(row: factorgate::UserRow) { drop(row) } //~ E0308",
            "line 1 compiles; expected E0308",
        ),
        (
            "control_other",
            "pub fn row(row: &factorgate::UserRow) { row.forge() } //~ E0308",
            "line 1 fails with E0599; expected E0308",
        ),
        (
            "control_text",
            "pub fn row(row: &factorgate::UserRow) { row.forge() } //~ E0599 nothing of this",
            "line 1 fails with E0599; expected E0599",
        ),
        (
            "control_elsewhere",
            "pub fn row(row: &factorgate::UserRow) { row.forge() }",
            "line 1 fails with E0599; expected it to compile",
        ),
    ] {
        let program = folder.join(format!("{name}.rs"));
        fs::write(&program, source).expect("a file");
        let difference = difference(&program).expect("a difference");
        assert!(difference.contains(notice), "{difference}");
    }
}
