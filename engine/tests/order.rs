//! The folders of the engine are used in one direction.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The modules of the engine, each above those that it may use. Modules of one row do not use each other.
const ORDER: [&[&str]; 10] = [
    &["hash", "stop", "random", "parallel", "files", "model"],
    &["tensors", "decode"],
    &["keys", "data"],
    &["error"],
    &["compute"],
    &["checkpoint"],
    &["interchange"],
    &["eval"],
    &["train"],
    &["run"],
];
/// The modules that may name the crate `kernel`: where models compute, and where pixels are, whose whole numbers are the same on every
/// instruction set.
const WITH_KERNEL: [&str; 3] = ["compute", "data", "decode"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Tests stand above all: they may ask anyone.
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs")
            && !path.ends_with("tests.rs")
            && !path.ends_with("testing.rs")
        {
            found.push(path);
        }
    }
}

/// The file's code: without comments, and without the tests at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules that a file's `crate::` paths begin with, those within braces too.
fn used(code: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if !rest.starts_with('{') {
            names.insert(word(rest));
            continue;
        }
        let mut depth = 0;
        let mut begins = false;
        for (i, c) in rest.char_indices() {
            match c {
                '{' => (depth, begins) = (depth + 1, depth == 0),
                '}' => depth -= 1,
                ',' => begins = depth == 1,
                c if c.is_whitespace() => {}
                _ if begins && depth == 1 => {
                    names.insert(word(&rest[i..]));
                    begins = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

/// The module that a file of `src` is a part of.
fn module(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn row(module: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&module))
}

/// What a file of a module may not use of these names.
fn wrong(module: &str, used: &BTreeSet<String>) -> Vec<String> {
    let own = row(module).unwrap_or_else(|| panic!("{module} has no place in the order"));
    let names = used.iter().map(|name| if name == "EngineError" { "error" } else { name.as_str() });
    let above = names.filter(|name| *name != module && row(name).is_none_or(|other| other >= own));
    above.map(|name| format!("{module} uses {name}")).collect()
}

#[test]
fn no_folder_uses_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let (mut seen, mut problems) = (BTreeSet::new(), Vec::new());
    for file in files {
        let inside = file.strip_prefix(&src).unwrap();
        let module = module(inside);
        if module == "lib" {
            continue;
        }
        let code = code(&file);
        let place = inside.display();
        problems.extend(wrong(&module, &used(&code)).iter().map(|w| format!("{place}: {w}")));
        let kernel = code.contains("kernel::") || code.contains("use kernel");
        if kernel && !WITH_KERNEL.contains(&module.as_str()) {
            problems.push(format!("{place} names the crate kernel"));
        }
        seen.insert(module);
    }
    assert_eq!(problems, Vec::<String>::new());
    let known: BTreeSet<String> = ORDER.iter().copied().flatten().map(|&m| m.to_owned()).collect();
    assert_eq!(seen, known, "every module has a place, and every place a module");
}

#[test]
fn a_ring_is_found() {
    let names = |code: &str| used(code).into_iter().collect::<Vec<_>>();
    let code = "use crate::{\n    EngineError,\n    eval::{self, Bank, train},\n    model::Mae,\n};\nlet x = crate::hash::hex;";
    assert_eq!(names(code), ["EngineError", "eval", "hash", "model"]);
    assert_eq!(wrong("compute", &used(code)), ["compute uses eval"]);
    assert_eq!(wrong("train", &used(code)), Vec::<String>::new());
    assert_eq!(wrong("model", &used("use crate::data::Index;")), ["model uses data"]);
    assert_eq!(wrong("data", &used("use crate::keys::builtin;")), ["data uses keys"]);
}
