//! Puts the pages' files together: shell, styles, program, icons.

use std::{fmt::Write, path::Path};

use crate::{
    files::{File, digest},
    read,
    wasm::{BINDINGS, LOADER, Program},
};

/// What stands in place of the pages when they are left out.
pub fn placeholder() -> File {
    let html = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Maskdoor</title></head>\
                <body><h1>Maskdoor</h1><p>This program was built without its pages (MASKDOOR_SKIP_FRONTEND=1). \
                The API is at <code>/api/v1</code>; <code>make build</code> makes the whole program.</p></body></html>";
    File::fresh("index.html", html.into())
}

/// All files of the pages. The shell `assets/index.html` names the others through `{{js}}`, `{{wasm}}` and `{{css}}`;
/// files with a name of their content may be kept by a browser for ever.
pub fn assemble(root: &Path, program: Program) -> Result<Vec<File>, String> {
    let (wasm, bindings, mut others) = named(program)?;
    // A file of its own because the content security policy forbids inline scripts.
    let boot = File::hashed(
        "boot",
        "js",
        format!(
            "import start from \"./{}\";\nstart({{ module_or_path: new URL(\"{}\", import.meta.url) }});\n",
            bindings.path, wasm.path
        )
        .into(),
    );
    let style = grass::from_path(
        root.join("style/main.scss"),
        &grass::Options::default().style(grass::OutputStyle::Compressed),
    )
    .map_err(|error| format!("style/main.scss: {error}"))?;
    let font = File::hashed("inter", "woff2", read(&root.join("assets/fonts/Inter.woff2"))?);
    let colours = palette(&root.join("style/palette.csv"))?;
    // The byte-order mark of a compressed sheet must not stand in the middle of a file.
    let style = style.trim_start_matches('\u{feff}');
    let style = colours + &style.replace("{{font}}", &font.path);
    let style = File::hashed("maskdoor", "css", style.into());

    let shell = String::from_utf8(read(&root.join("assets/index.html"))?)
        .map_err(|error| format!("assets/index.html: {error}"))?
        .replace("{{js}}", &boot.path)
        .replace("{{module}}", &bindings.path)
        .replace("{{wasm}}", &wasm.path)
        .replace("{{font}}", &font.path)
        .replace("{{css}}", &style.path);

    let mut files = vec![wasm, bindings, boot, style, font];
    files.append(&mut others);
    files.extend(icons(&root.join("assets/icons"))?);
    check_links(&shell, &files)?;
    files.insert(0, File::fresh("index.html", shell.into()));
    Ok(files)
}

/// The program's files under names of their content: the module that starts, its bindings, and all that these ask for.
fn named(program: Program) -> Result<(File, File, Vec<File>), String> {
    let wasm = File::hashed("maskdoor", "wasm", program.wasm);
    let mut loader = program.loader;
    let mut others = program.snippets;
    for (name, module) in program.later {
        let stem = name.trim_end_matches(".wasm");
        let file = File::hashed(stem, "wasm", module);
        loader = renamed(&loader, &format!("\"./{name}\""), &format!("\"./{}\"", file.path))?;
        others.push(file);
    }
    // Bindings and loader import each other, so both have the name of what they are together.
    let together = digest(format!("{}{loader}{}", program.bindings, wasm.path).as_bytes());
    let (bindings_path, loader_path) =
        (format!("maskdoor-{together}.js"), format!("loader-{together}.js"));
    let loader = renamed(&loader, &format!("\"{BINDINGS}\""), &format!("\"./{bindings_path}\""))?;
    // The object of imports keeps the name that the module knows.
    let bindings = renamed(
        &program.bindings,
        &format!("from \"{LOADER}\""),
        &format!("from \"./{loader_path}\""),
    )?;
    others.push(File::lasting(loader_path, loader.into()));
    Ok((wasm, File::lasting(bindings_path, bindings.into()), others))
}

/// The text with another name of a file that it mentions.
fn renamed(text: &str, from: &str, to: &str) -> Result<String, String> {
    if text.contains(from) {
        Ok(text.replace(from, to))
    } else {
        Err(format!("the program's JavaScript does not mention {from}: its form has changed"))
    }
}

/// The palette as custom properties: light, dark if the system prefers it, and either one if the page is set to it.
fn palette(file: &Path) -> Result<String, String> {
    let text = String::from_utf8(read(file)?).map_err(|e| format!("{}: {e}", file.display()))?;
    let (mut light, mut dark) = (String::new(), String::new());
    for row in text.lines().skip(1) {
        let [name, in_light, in_dark] = row.split(',').collect::<Vec<_>>()[..] else {
            return Err(format!("{}: {row:?} is not a name and two colours", file.display()));
        };
        write!(light, "--{name}:{in_light};").map_err(|e| e.to_string())?;
        write!(dark, "--{name}:{in_dark};").map_err(|e| e.to_string())?;
    }
    Ok(format!(
        ":root{{color-scheme:light;{light}}}\
         @media (prefers-color-scheme:dark){{:root{{color-scheme:dark;{dark}}}}}\
         :root[data-theme=light]{{color-scheme:light;{light}}}\
         :root[data-theme=dark]{{color-scheme:dark;{dark}}}"
    ))
}

/// Icons keep their names (browsers and bookmarks ask for them by name) and lie below `icons/`.
fn icons(folder: &Path) -> Result<Vec<File>, String> {
    let Ok(entries) = folder.read_dir() else { return Ok(Vec::new()) };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
        .iter()
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Ok(File::fresh(format!("icons/{name}"), read(path)?))
        })
        .collect()
}

/// A link of the shell to a file that is not there would be a 404 in every visitor's console.
fn check_links(shell: &str, files: &[File]) -> Result<(), String> {
    let links = ["href=\"/", "src=\"/"].into_iter().flat_map(|attribute| {
        shell.split(attribute).skip(1).filter_map(|rest| rest.split('"').next())
    });
    for link in links.filter(|link| !link.is_empty()) {
        if !files.iter().any(|file| file.path == link) {
            return Err(format!("assets/index.html names /{link}, which is not among the files"));
        }
    }
    Ok(())
}
