//! Puts the pages' files together: shell, styles, program, icons.

use std::{fmt::Write, path::Path};

use crate::{
    files::File,
    read, text,
    wasm::{BINDINGS, LOADER, Program},
};

/// What stands in place of the pages when they are left out.
pub fn placeholder() -> File {
    let html = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Maskdoor</title></head>\
                <body><h1>Maskdoor</h1><p>This program was built without its pages (MASKDOOR_SKIP_FRONTEND=1). \
                The API is at <code>/api/v1</code>; <code>make build</code> makes the whole program.</p></body></html>";
    File::fresh("index.html", html.into())
}

/// All files of the pages. The shell `assets/index.html` has the styles and the mark within, and names the font and the program;
/// files with a name of their content may be kept by a browser for ever.
pub fn assemble(root: &Path, program: Program) -> Result<Vec<File>, String> {
    let (wasm, script, mut others) = named(program)?;
    let style = grass::from_path(
        root.join("style/main.scss"),
        &grass::Options::default().style(grass::OutputStyle::Compressed),
    )
    .map_err(|error| format!("style/main.scss: {error}"))?;
    let font = File::hashed("inter", "woff2", read(&root.join("assets/fonts/Inter.woff2"))?);
    let colours = palette(&root.join("style/palette.csv"))?;
    // The byte-order mark of a compressed sheet must not stand in the middle of a file.
    let style = style.trim_start_matches('\u{feff}');
    let style = colours + &style.replace("{{font}}", &format!("/{}", font.path));

    let mark = text(&root.join("assets/icons/maskdoor.svg"))?;
    let icon = mark.trim().replace('#', "%23").replace('"', "'");
    let shell = text(&root.join("assets/index.html"))?
        .replace("{{js}}", &script.path)
        .replace("{{wasm}}", &wasm.path)
        .replace("{{font}}", &font.path)
        .replace("{{mark}}", mark.trim())
        .replace("{{icon}}", &icon)
        .replace("{{css}}", style.trim());

    let mut files = vec![wasm, script, font];
    files.append(&mut others);
    files.extend(icons(&root.join("assets/icons"))?);
    check_links(&shell, &files)?;
    files.insert(0, File::fresh("index.html", shell.into()));
    Ok(files)
}

/// The program's files under names of their content: the module that starts, the script that starts it, and the files that the script loads.
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
    let mut script = joined(&program.bindings, &loader)?;
    // The script starts the program itself: one file less to wait for.
    let start = format!("new URL(\"./{}\", import.meta.url)", wasm.path);
    writeln!(script, "\n__wbg_init({{ module_or_path: {start} }});").map_err(|e| e.to_string())?;
    Ok((wasm, File::hashed("maskdoor", "js", script.into()), others))
}

/// Bindings and loader, which import each other, as one module.
fn joined(bindings: &str, loader: &str) -> Result<String, String> {
    let (import, export) = (format!("from \"{BINDINGS}\";"), "export const ");
    // What the loader needs of the bindings is in scope where both are one.
    let loader: String = loader
        .lines()
        .filter(|line| !line.ends_with(&import))
        .fold(String::new(), |text, line| text + line + "\n");
    let offers: Vec<_> =
        loader.lines().filter_map(|line| line.strip_prefix(export)?.split(' ').next()).collect();
    if offers.is_empty() || loader.contains(BINDINGS) {
        return Err("the loader of further modules has changed its form".into());
    }
    let loader = format!(
        "const loader = (() => {{\n{}return {{ {} }};\n}})();\n",
        loader.replace(export, "const "),
        offers.join(", "),
    );
    // `import * as import1 from "./loader.js"`, once for each module.
    let (begins, ends) = ("import * as ", format!(" from \"{LOADER}\""));
    let mut is_imported = false;
    let mut script = loader;
    for line in bindings.lines() {
        let import = line.trim_end_matches(';').strip_suffix(&ends);
        if let Some(name) = import.and_then(|line| line.strip_prefix(begins)) {
            is_imported = true;
            writeln!(script, "const {name} = loader;").map_err(|e| e.to_string())?;
        } else {
            script.push_str(line);
            script.push('\n');
        }
    }
    if is_imported {
        Ok(script)
    } else {
        Err("the bindings import no loader: their form has changed".into())
    }
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
    let text = text(file)?;
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
