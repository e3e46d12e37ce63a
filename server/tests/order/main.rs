//! Module dependencies of every crate point in one direction: checks the imports against the module map in `ARCHITECTURE.md`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A crate's modules in the rows of the map. A module may use only modules of the rows before its own.
struct Map {
    rows: Vec<Vec<String>>,
    /// The module behind each name that the crate's root re-exports, such as `EngineError`.
    renamed: BTreeMap<String, String>,
}

/// Folder of the crate `engine`.
const ENGINE: &str = "engine";
/// The engine's modules that may use the crate `kernel`: `compute` runs the models, and the integer arithmetic on pixels in `data` and
/// `decode` gives the same results on every instruction set.
const WITH_KERNEL: [&str; 3] = ["compute", "data", "decode"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Tests are above all modules and may use any of them.
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

/// The file's code, without comments and without the tests at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules that a file's `crate::` paths begin with, including those in braces.
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

/// The code with the `super::` paths that lead to the crate's root rewritten as `crate::` paths.
fn from_root(code: &str, inside: &Path) -> String {
    let depth = inside.components().count() - usize::from(inside.ends_with("mod.rs"));
    code.replace(&"super::".repeat(depth), "crate::")
}

/// The top-level module to which a file in `src` belongs.
fn module(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

impl Map {
    fn row(&self, module: &str) -> Option<usize> {
        self.rows.iter().position(|row| row.iter().any(|known| known == module))
    }

    /// The uses, among these names, that are forbidden in a file of the module.
    fn wrong(&self, module: &str, used: &BTreeSet<String>) -> Vec<String> {
        let own = self.row(module).unwrap_or_else(|| panic!("{module} is not in the map"));
        let names = used.iter().map(|name| self.renamed.get(name).unwrap_or(name).as_str());
        // Constants of the root, such as VERSION, belong to no module.
        let modules = names.filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
        let above = modules
            .filter(|name| *name != module && self.row(name).is_none_or(|other| other >= own));
        above.map(|name| format!("{module} uses {name}")).collect()
    }
}

/// The names that a root re-exports, with their modules: the lines `pub use module::Name;` and `pub use module::{A, B};`.
fn renamed(root: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for line in root.split(';').filter_map(|line| line.trim().strip_prefix("pub use ")) {
        let Some((module, what)) = line.trim_start_matches("crate::").split_once("::") else {
            continue;
        };
        for name in what.trim_matches(['{', '}']).split(',').map(str::trim) {
            if !name.is_empty() {
                names.insert(name.to_owned(), module.to_owned());
            }
        }
    }
    names
}

/// The map's crates with their rows: an unindented line names a crate's folder, the indented lines below it are its rows.
fn map(document: &str) -> Vec<(String, Vec<Vec<String>>)> {
    let section = document.split("\n## Module map\n").nth(1).expect("a module map");
    let block = section.split("```").nth(1).expect("a block").trim_start_matches("text");
    let mut crates: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with(' ') {
            let row = line.split_whitespace().map(str::to_owned).collect();
            crates.last_mut().expect("a crate before its rows").1.push(row);
        } else {
            crates.push((line.trim().to_owned(), Vec::new()));
        }
    }
    crates
}

#[test]
fn no_module_uses_one_above_it() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let crates = map(&fs::read_to_string(top.join("ARCHITECTURE.md")).unwrap());
    let names: Vec<_> = crates.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["shared", "engine", "server", "frontend"]);
    let mut problems = Vec::new();
    for (name, rows) in crates {
        let src = top.join(&name).join("src");
        let root =
            ["lib.rs", "main.rs"].iter().find_map(|file| fs::read_to_string(src.join(file)).ok());
        let map = Map { rows, renamed: renamed(&root.unwrap()) };
        let mut files = Vec::new();
        sources(&src, &mut files);
        let mut seen = BTreeSet::new();
        for file in files {
            let inside = file.strip_prefix(&src).unwrap();
            let module = module(inside);
            if ["lib", "main"].contains(&module.as_str()) {
                continue;
            }
            let code = from_root(&code(&file), inside);
            let place = format!("{name}/src/{}", inside.display());
            let wrong = map.wrong(&module, &used(&code));
            problems.extend(wrong.iter().map(|wrong| format!("{place}: {wrong}")));
            let kernel = code.contains("kernel::") || code.contains("use kernel");
            if name == ENGINE && kernel && !WITH_KERNEL.contains(&module.as_str()) {
                problems.push(format!("{place} uses the crate kernel"));
            }
            seen.insert(module);
        }
        let known: BTreeSet<String> = map.rows.iter().flatten().cloned().collect();
        assert_eq!(seen, known, "{name}: the map must list exactly the modules that exist");
    }
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn a_ring_is_found() {
    let names = |code: &str| used(code).into_iter().collect::<Vec<_>>();
    let code = "use crate::{\n    EngineError, VERSION,\n    eval::{self, Bank, train},\n    model::Mae,\n};\nlet x = crate::hash::hex;";
    assert_eq!(names(code), ["EngineError", "VERSION", "eval", "hash", "model"]);
    let document = "\n## Module map\n\n```text\nengine\n    hash model\n    keys data\n    error\n    compute\n    eval\n    train\n```\n";
    let rows = map(document).remove(0).1;
    let renamed =
        renamed("pub mod run;\npub use error::{EngineError, Other};\npub use model::Mae;\n");
    assert_eq!(renamed.get("EngineError").map(String::as_str), Some("error"));
    let map = Map { rows, renamed };
    let wrong = |module: &str, code: &str| map.wrong(module, &used(code));
    assert_eq!(wrong("compute", code), ["compute uses eval"]);
    assert_eq!(wrong("train", code), Vec::<String>::new());
    assert_eq!(wrong("model", "use crate::data::Index;"), ["model uses data"]);
    assert_eq!(wrong("data", "use crate::keys::builtin;"), ["data uses keys"]);
    assert_eq!(wrong("hash", "use crate::EngineError;"), ["hash uses error"]);
    for (file, code) in [
        ("model.rs", "use super::data::Index;"),
        ("model/mod.rs", "use super::data::Index;"),
        ("model/mae.rs", "use super::super::data::Index;"),
    ] {
        assert_eq!(wrong("model", &from_root(code, Path::new(file))), ["model uses data"]);
    }
    assert_eq!(
        wrong("model", &from_root("use super::data::Index;", Path::new("model/mae.rs"))),
        Vec::<String>::new()
    );
}
