//! Which module may import which, and within a folder which file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The layers, lowest first. A module imports lower ones, its own parts, and those of its layer that stand before it.
const LAYERS: &[&[&str]] = &[
    &["time", "random", "user", "name", "device", "bearer", "browser", "secret", "mac", "keys", "cbor"],
    &["code", "otp", "limits", "policy", "ticket", "recovery_code"],
    &["qr", "otpauth", "store", "mail", "audit", "migrate"],
    &["flow", "account"],
    &["record"],
    &["error", "mfa", "blocking"],
    &["testing"],
];

/// The files of each folder, lowest first. A file imports those that stand before it. What the module itself defines
/// (`mod.rs`, or the file beside the folder) is common to all of them, and knows them by re-exports alone.
const FOLDERS: &[(&str, &[&str])] = &[
    (
        "account",
        &[
            "notices",
            "outlook",
            "turn",
            "guesses",
            "recovery",
            "external",
            "devices",
            "digest",
            "browsers",
            "flows",
            "enroll",
            "import",
            "sessions",
            "verify",
            "actions",
            "administration",
            "key_usage",
            "status",
        ],
    ),
    ("audit", &["field"]),
    (
        "flow",
        &[
            "refusal",
            "action",
            "evidence",
            "row",
            "claims",
            "authenticated",
            "session",
            "kinds",
            "reference",
            "outcome",
            "status",
        ],
    ),
    ("limits", &["shared"]),
    ("mail", &["notice"]),
    (
        "mfa",
        &[
            "builder",
            "walk",
            "maintenance",
            "commit",
            "admin",
            "profile",
            "elevated",
            "coverage",
            "export",
            "reencrypt",
        ],
    ),
    ("otp", &["window", "truncate", "hmac", "hotp", "totp", "drift"]),
    ("otpauth", &["name", "error", "part", "parsed", "compatibility", "parse", "migration"]),
    (
        "policy",
        &[
            "external",
            "channel",
            "plan",
            "exemption",
            "grace",
            "standing",
            "cbor",
            "evaluate",
            "step_up",
            "odds",
            "explain",
            "preview",
            "json",
        ],
    ),
    ("qr", &["mask", "png"]),
    ("record", &["fields"]),
    ("secret", &["base32"]),
    ("testing", &["outbox", "store", "kit", "conformance"]),
];

/// The module of a name that the root of the crate re-exports.
const ROOT: &[(&str, &str)] = &[
    ("Elevated", "flow"),
    ("Mailer", "mail"),
    ("Mfa", "mfa"),
    ("Session", "flow"),
    ("Store", "store"),
    ("login", "flow"),
];

fn rank(module: &str) -> (usize, usize) {
    LAYERS
        .iter()
        .enumerate()
        .find_map(|(layer, modules)| Some((layer, modules.iter().position(|known| *known == module)?)))
        .unwrap_or_else(|| panic!("the module `{module}` has no layer"))
}

/// The source without comments and tests.
fn code(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod ").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join(" ")
}

/// The first names of the paths that begin with `prefix`, such as `a` and `B` of `super::{a::C, B as D}`.
fn names_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let ident =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = BTreeSet::new();
    for path in code.split(prefix).skip(1) {
        let Some(group) = path.strip_prefix('{') else {
            found.insert(ident(path));
            continue;
        };
        let (mut depth, mut at_name) = (0, true);
        for (at, c) in group.char_indices() {
            if at_name && !c.is_whitespace() {
                found.insert(ident(&group[at..]));
                at_name = false;
            }
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => at_name = true,
                _ => {}
            }
        }
    }
    found.remove("");
    found
}

/// The imports of a source file that go up, as "module imports module".
fn upward_imports(module: &str, source: &str) -> Vec<String> {
    let mut imported = names_after(&code(source), "crate::");
    for (name, of) in ROOT {
        if imported.remove(*name) {
            imported.insert((*of).to_owned());
        }
    }
    imported.retain(|name| name != module && rank(name) > rank(module));
    imported.into_iter().map(|name| format!("{module} imports {name}")).collect()
}

/// The file of each name that a module re-exports from its own files.
fn reexports(files: &[&str], source: &str) -> BTreeMap<String, String> {
    let code = code(source);
    let mut found = BTreeMap::new();
    for file in files {
        for prefix in [format!("self::{file}::"), format!(" {file}::")] {
            found.extend(names_after(&code, &prefix).into_iter().map(|name| (name, (*file).to_owned())));
        }
    }
    found
}

/// The imports of a file that do not go down in the order of its folder, as "file imports file".
fn unordered_imports(
    folder: &str,
    order: &[&str],
    reexports: &BTreeMap<String, String>,
    file: &str,
    source: &str,
) -> Vec<String> {
    let place = |file: &str| order.iter().position(|known| *known == file);
    let own = place(file).unwrap_or_else(|| panic!("the file `{file}` has no place in its folder"));
    let code = code(source);
    let mut named = names_after(&code, "super::");
    named.extend(names_after(&code, &format!("crate::{folder}::")));
    let imported: BTreeSet<&str> =
        named.iter().map(|name| reexports.get(name).map_or(name.as_str(), String::as_str)).collect();
    let is_up = |name: &&str| *name != file && place(name).is_some_and(|place| place > own);
    imported.into_iter().filter(is_up).map(|name| format!("{file} imports {name}")).collect()
}

/// The path of each source file below `src`, and its text.
fn sources() -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.retain(|path| !path.ends_with("lib.rs") && !path.ends_with("tests.rs"));
    assert!(files.len() > 35, "{}", files.len());
    let relative = |path: PathBuf| path.strip_prefix(&root).unwrap().to_owned();
    files.into_iter().map(|path| (relative(path.clone()), std::fs::read_to_string(path).unwrap())).collect()
}

fn module_of(path: &Path) -> String {
    let module = path.components().next().unwrap().as_os_str().to_str().unwrap();
    module.trim_end_matches(".rs").to_owned()
}

#[test]
fn imports_go_down() {
    let up = |(path, source): &(PathBuf, String)| upward_imports(&module_of(path), source);
    assert_eq!(sources().iter().flat_map(up).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn control_upward_import_is_found() {
    assert_eq!(upward_imports("policy", "use crate::flow::Login;"), ["policy imports flow"]);
    assert_eq!(upward_imports("account", "fn f(_: crate::mfa::Removal) {}"), ["account imports mfa"]);
    assert_eq!(upward_imports("audit", "use crate::{time::Timestamp, account::Account};"), ["audit imports account"]);
    assert_eq!(upward_imports("record", "fn f(_: &crate::Session, _: crate::Mfa) {}"), ["record imports mfa"]);
    assert_eq!(upward_imports("mfa", "use crate::record;\n// use crate::testing;"), [""; 0]);
}

/// An order leaves no room for a circle.
#[test]
fn imports_within_a_folder_go_down() {
    let sources = sources();
    let (mut up, mut folders) = (Vec::new(), BTreeSet::new());
    for (path, source) in sources.iter().filter(|(path, _)| path.components().count() == 2) {
        let (folder, file) = (module_of(path), path.file_stem().unwrap().to_str().unwrap());
        folders.insert(folder.clone());
        if file == "mod" {
            continue;
        }
        let (_, order) = FOLDERS.iter().find(|(name, _)| *name == folder).expect("an order of the folder");
        let is_parent =
            |path: &Path| path == Path::new(&folder).join("mod.rs") || path == Path::new(&format!("{folder}.rs"));
        let (_, parent) = sources.iter().find(|(path, _)| is_parent(path)).unwrap();
        let wrong = unordered_imports(&folder, order, &reexports(order, parent), file, source);
        up.extend(wrong.into_iter().map(|wrong| format!("{folder}: {wrong}")));
    }
    assert_eq!(up, [""; 0]);
    assert_eq!(folders.len(), FOLDERS.len(), "{folders:?}");
}

#[test]
fn control_circle_within_a_folder_is_found() {
    let order = ["a", "b", "c"];
    let parent = "mod a; mod b; mod c; pub use self::b::{Bee, Hive}; pub(crate) use self::{a::Ant, c::Cat};";
    let known = reexports(&order, parent);
    let of = |file: &str, source: &str| unordered_imports("zoo", &order, &known, file, source);
    // A circle of two files: whatever the order, one of its imports goes up.
    assert_eq!(of("a", "use super::b;"), ["a imports b"]);
    assert_eq!(of("b", "use super::a;"), [""; 0]);
    // Through what the module re-exports, alone and in a group.
    assert_eq!(of("a", "use super::Hive;"), ["a imports b"]);
    assert_eq!(of("b", "use super::{Ant, Bee, Cat as Lion};"), ["b imports c"]);
    assert_eq!(of("a", "fn f() { super::c::g(super::Common) }"), ["a imports c"]);
    assert_eq!(of("a", "fn f(_: crate::zoo::Cat) {}"), ["a imports c"]);
    assert_eq!(of("c", "use super::{a::{x, y}, b::Bee, Common};"), [""; 0]);
    assert_eq!(of("a", "// use super::b;\nuse super::a;"), [""; 0]);
}

#[test]
fn nothing_below_the_engine_waits_reads_the_clock_or_draws_randomness() {
    let mut engine = 0;
    for (path, source) in sources() {
        let module = module_of(&path);
        let code = source.split("#[cfg(test)]").next().unwrap();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let impure = ["async ", ".await", "SystemTime::now", "Instant::now", "OsRandom", "SystemClock.", ".now()"]
                .iter()
                .any(|word| line.contains(word));
            // The two ports erase and forward futures; the clock and the generator of the system are in the lowest layer.
            let allowed = matches!(module.as_str(), "store" | "mail" | "time" | "random");
            engine += usize::from(impure && rank(&module) >= rank("error"));
            assert!(!impure || allowed || rank(&module) >= rank("error"), "{module}: {line}");
        }
    }
    assert!(engine > 10, "the control: the engine does all of it");
}
