//! The command line, as a user runs it.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
};

use assert_cmd::Command;
use shared::{
    RunKind, StudySpec,
    api::RunResult,
    settings::{ProbeFeatures, ProbeOptimizer},
    study::{Axis, presets},
};

use crate::support::{micro, probed, served_at};

fn maskdoor(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maskdoor"));
    command.env("MASKDOOR_THREADS", "1").env("XDG_DATA_HOME", data_dir);
    command
}

/// Runs a command that must fail with code 1, and returns its error output with `folder` replaced by `FOLDER`.
pub fn failure(folder: &Path, args: &[&str]) -> String {
    let output = maskdoor(folder).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap().replace(&folder.display().to_string(), "FOLDER")
}

pub fn success(folder: &Path, args: &[&str]) -> String {
    let output = maskdoor(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn write_study(folder: &Path, spec: &StudySpec) -> String {
    let path = folder.join("study.toml");
    fs::write(&path, toml::to_string_pretty(spec).unwrap()).unwrap();
    path.display().to_string()
}

#[test]
fn presets_are_listed_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let list = success(folder.path(), &["presets"]);
    assert!(presets().iter().all(|preset| list.contains(&preset.id)), "{list}");
    let shown = success(folder.path(), &["presets", "show", "quick-look"]);
    assert_eq!(toml::from_str::<StudySpec>(&shown).unwrap(), presets()[0].spec);
    insta::assert_snapshot!(failure(folder.path(), &["presets", "show", "quick"]), @r#"error: there is no preset "quick"; there are: quick-look, cifar10-quick, cifar10-finetune, cifar10-tiny, figure-2, figure-3, ssl-backdoor, corrupt-encoder, tact, adap-blend, adap-patch, all-to-all, several-targets, patch-count, patch-alignment, survival, mask-ratio, badencoder, redrawn, restorer, loss-split, defence-matrix, defence-matrix-small, encoder-detection, published"#);
}

#[test]
fn backups_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let help = |command| success(folder.path(), &["help", command]);
    insta::assert_snapshot!(["backup", "restore"].map(help).concat());
}

#[test]
fn a_micro_study_runs_from_end_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let study = write_study(folder.path(), &micro("from the terminal", 2));
    let json = folder.path().join("out.json").display().to_string();
    let data = folder.path().join("data").display().to_string();
    let table = success(folder.path(), &["run", &study, "--data-dir", &data, "--json", &json]);
    assert!(table.contains("Pre-training") && table.contains("Linear probe"), "{table}");

    let figure = |name: &str| folder.path().join(name).display().to_string();
    for (kind, file, words) in [
        ("tradeoff", "ca-asr.svg", "clean accuracy, CA (%)"),
        ("asr-by-poison", "asr.csv", "asr"),
        ("asr-by-poison", "asr.png", "PNG"),
        ("asr-by-poison", "asr.pdf", "%PDF-"),
    ] {
        success(folder.path(), &["figure", kind, &figure(file), "--data-dir", &data]);
        let drawn = String::from_utf8_lossy(&fs::read(figure(file)).unwrap()).into_owned();
        assert!(drawn.contains(words), "{file}: {drawn}");
    }
    let refused = ["figure", "tradeoff", &figure("ca-asr.gif"), "--data-dir", &data];
    assert!(
        failure(folder.path(), &refused)
            .contains("svg, png, pdf or csv, and a table tex, not \"gif\"")
    );

    let latex = figure("results.tex");
    let of_probes = ["results", "--filter", "kind == \"probe\"", "--data-dir", &data];
    let table = success(folder.path(), &[&of_probes[..], &["--by", "probe.poisons"]].concat());
    assert!(table.contains("Clean accuracy (%)") && table.contains("2 rows"), "{table}");
    success(folder.path(), &[&of_probes[..], &["--columns", "seed,asr", "--out", &latex]].concat());
    let latex = fs::read_to_string(latex).unwrap();
    assert!(latex.contains("\\multicolumn{2}{c}{Attack success rate (\\%)}"), "{latex}");
    let parquet = [&of_probes[..], &["--format", "parquet"]].concat();
    assert!(failure(folder.path(), &parquet).contains("name a file with --out"));

    let results: Vec<RunResult> =
        serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(results.len(), 3);
    let (report, study) = (figure("report.html"), results[0].study.to_string());
    success(folder.path(), &["report", &study, &report, "--data-dir", &data]);
    let report = fs::read_to_string(report).unwrap();
    assert!(report.contains("from the terminal") && report.contains("Manifests (3)"));
    let (pretraining, probes) = results.split_first().unwrap();
    let of_features = ["figure", "features", &figure("features.csv"), "--data-dir", &data];
    assert!(failure(folder.path(), &of_features).contains("say which with --run RUN"));
    let of_run = ["--run", &pretraining.run.to_string(), "--per-class", "2"];
    success(folder.path(), &[&of_features[..], &of_run].concat());
    let of_loss = ["figure", "loss", &figure("loss.csv"), "--data-dir", &data];
    let curves = [&of_loss[..], &of_run[..2]].concat();
    success(folder.path(), &[&curves[..], &["--smoothing", "0.5", "--log"]].concat());
    let loss = fs::read_to_string(figure("loss.csv")).unwrap();
    assert!(loss.starts_with("run,") && loss.lines().count() > 2, "{loss}");
    assert!(failure(folder.path(), &of_loss).contains("say which with --run RUN"));
    let accuracy = ["figure", "accuracy-by-epoch", &figure("accuracy.svg"), "--data-dir", &data];
    let [_, first, second] = &results[..] else { panic!("three runs") };
    let [first, second] = [first, second].map(|result| result.run.to_string());
    success(folder.path(), &[&accuracy[..], &["--run", &first, "--run", &second]].concat());
    let accuracy = fs::read_to_string(figure("accuracy.svg")).unwrap();
    assert!(accuracy.contains("linear probe"), "{accuracy}");
    let points = fs::read_to_string(figure("features.csv")).unwrap();
    // Two images of each of ten classes, and but for the target class with the trigger, too.
    assert_eq!(points.lines().count(), 1 + 20 + 18, "{points}");
    assert_eq!((pretraining.ca, pretraining.n_clean), (None, 0));
    assert_eq!(
        (pretraining.ppr, pretraining.epochs, pretraining.optimizer, pretraining.head_init),
        (1, 2, Some(ProbeOptimizer::AdamW), None)
    );
    assert!(pretraining.loss.unwrap() > 0.0 && pretraining.images_per_second > 0.0);
    for (probe, lpr) in probes.iter().zip([0, 1]) {
        assert_eq!((probe.ppr, probe.lpr, probe.seed, probe.epochs), (1, lpr, 1, 3));
        assert_eq!((probe.n_clean, probe.n_triggered), (20, 18));
        assert!(probe.ca.unwrap() <= 100.0 && probe.asr.unwrap() <= 100.0);
        assert!(probe.top5.unwrap() >= probe.ca.unwrap(), "ten classes have a top five");
        assert_eq!(probe.over_seeds, None, "one seed");
    }
}

#[test]
fn a_run_s_poisons_can_be_exported_and_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let spec = probed(micro("a list", 1), &[0]);
    let study = write_study(folder.path(), &spec);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (data, json, list) = (path("data"), path("out.json"), path("list.txt"));
    let run = |list: &str| {
        success(
            folder.path(),
            &["run", &study, "--poisons", list, "--data-dir", &data, "--json", &json],
        );
        let results: Vec<RunResult> =
            serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
        results[0].run.to_string()
    };
    // Two images of each class except the target; the first of each is used.
    let shapes = engine::data::shapes::class_names();
    let named = |n: u32| -> String {
        let name = |class: &String| format!("train/{class}/{n:04}\n");
        shapes[1..].iter().map(name).collect::<Vec<_>>().concat()
    };
    fs::write(&list, named(3) + &named(1)).unwrap();
    let run = run(&list);
    let exported = path("exported.txt");
    let said = success(folder.path(), &["poisons", "export", &run, &exported, "--data-dir", &data]);
    assert_eq!(said, format!("9 images: {exported}\n"));
    assert_eq!(fs::read_to_string(&exported).unwrap(), named(3));

    fs::write(&list, named(4)).unwrap();
    let said = failure(folder.path(), &["run", &study, "--poisons", &list, "--data-dir", &data]);
    assert!(
        said.contains(
            "attack.poisons: names images that are not among the study's training images"
        ),
        "{said}"
    );
    let none = failure(folder.path(), &["run", &study, "--poisons", &path("no.txt")]);
    assert!(none.starts_with("error: the poison list FOLDER/no.txt cannot be read"), "{none}");
}

/// Runs the study in a new data folder and returns, for each run, its LPR, its checkpoint or probe head, and its ASR.
fn trained(folder: &Path, study: &str, image_memory: &str) -> Vec<(u32, Vec<u8>, Option<f64>)> {
    let json = folder.join("out.json").display().to_string();
    let data = folder.join(format!("data-{image_memory}"));
    let arguments = ["run", study, "--json", &json, "--data-dir", data.to_str().unwrap()];
    let output =
        maskdoor(folder).env("MASKDOOR_IMAGE_MEMORY", image_memory).args(arguments).output();
    assert!(output.as_ref().is_ok_and(|output| output.status.success()), "{output:?}");
    let results: Vec<RunResult> =
        serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let file = |result: &RunResult| {
        let folder = data.join(format!("runs/{}", result.run));
        let name = if result.ca.is_none() { "checkpoint.safetensors" } else { "head.safetensors" };
        fs::read(folder.join(name)).unwrap()
    };
    results.iter().map(|result| (result.lpr, file(result), result.asr)).collect()
}

#[test]
fn images_that_do_not_fit_into_memory_train_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    for features in [ProbeFeatures::Cached, ProbeFeatures::Augmented] {
        let mut spec = micro("streamed", 2);
        spec.settings.probe.features = features;
        let study = write_study(folder.path(), &spec);
        let kept = trained(folder.path(), &study, "2048");
        assert_eq!(kept.len(), 3);
        assert!(kept == trained(folder.path(), &study, "0"), "{features:?}");
    }
}

#[test]
fn a_wrong_study_says_all_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = micro("wrong", 2);
    spec.settings.dataset.name = "cifar11".into();
    spec.settings.pretrain.mask_ratio = 1.0;
    spec.axes.push(Axis::of("seed", [1u32, 1]));
    let study = write_study(folder.path(), &spec);
    insta::assert_snapshot!(failure(folder.path(), &["run", &study]));
    spec = micro("wrong", 2);
    spec.settings.attack.target_class = 10;
    spec.settings.pretrain.poisons = 5;
    if let shared::TriggerSpec::Blended(blended) = &mut spec.settings.attack.trigger {
        blended.ratio = 1.5;
        blended.key = "zebra".into();
    }
    let study = write_study(folder.path(), &spec);
    insta::assert_snapshot!(failure(folder.path(), &["run", &study]));
}

#[test]
fn bad_toml_is_told_of_with_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let study = write_study(folder.path(), &micro("bad", 2));
    let text = fs::read_to_string(&study).unwrap();
    fs::write(&study, text.replace("epochs = 2", "epochs = \"two\"")).unwrap();
    insta::assert_snapshot!(failure(folder.path(), &["run", &study]));
    fs::write(&study, "name = ").unwrap();
    insta::assert_snapshot!(failure(folder.path(), &["run", &study]));
    insta::assert_snapshot!(failure(folder.path(), &["run", "nothing.toml"]), @r#"error: there is no file nothing.toml, and there is no preset "nothing.toml"; there are: quick-look, cifar10-quick, cifar10-finetune, cifar10-tiny, figure-2, figure-3, ssl-backdoor, corrupt-encoder, tact, adap-blend, adap-patch, all-to-all, several-targets, patch-count, patch-alignment, survival, mask-ratio, badencoder, redrawn, restorer, loss-split, defence-matrix, defence-matrix-small, encoder-detection, published"#);
}

/// Permissions do not stop a superuser, so the test uses folders that cannot exist: a file has the folder's path, or its parent's.
#[test]
fn a_data_folder_that_cannot_be_written_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for place in [file.clone(), file.join("below")] {
        let said = failure(
            folder.path(),
            &["serve", "--addr", "127.0.0.1:0", "--data-dir", &place.display().to_string()],
        );
        assert!(said.starts_with("error: the data folder FOLDER/file"), "{said}");
        assert!(
            said.contains("cannot be written (")
                && said.ends_with("choose a writable one with --data-dir\n"),
            "{said}"
        );
    }
}

#[test]
fn a_port_in_use_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = folder.path().join("data");
    let said = failure(
        folder.path(),
        &["serve", "--addr", &address, "--data-dir", &data.display().to_string()],
    );
    let said = said.replace(&address, "ADDRESS");
    insta::assert_snapshot!(said, @"error: ADDRESS is in use, perhaps by another maskdoor; give another address, such as --addr 127.0.0.1:0 for any free port");
    assert!(!data.exists(), "nothing was created");
}

/// A folder of two classes, with two training images of each and one validation image.
fn pets(folder: &Path) -> String {
    for (split, n) in [("train", 2), ("val", 1)] {
        for class in ["cat", "dog"] {
            add_images(&folder.join("images").join(split).join(class), n);
        }
    }
    folder.join("images").display().to_string()
}

fn add_images(folder: &Path, count: u8) {
    fs::create_dir_all(folder).unwrap();
    for at in 0..count {
        let picture = image::RgbImage::from_pixel(8, 8, image::Rgb([9, 80, at]));
        picture.save(folder.join(format!("{at}.png"))).unwrap();
    }
}

#[test]
fn a_changed_folder_stops_a_study_until_it_is_a_new_version() {
    let folder = tempfile::tempdir().unwrap();
    let images = pets(folder.path());
    let data = folder.path().join("data").display().to_string();
    let at = ["--data-dir", &data];
    let run = |args: &[&str]| success(folder.path(), &[args, &at[..]].concat());
    let refused = |args: &[&str]| failure(folder.path(), &[args, &at[..]].concat());
    run(&["datasets", "add", "pets", &images]);
    let same = refused(&["datasets", "update", "pets"]);
    assert_eq!(same, "error: the folder is as it was when pets was added\n");
    for split in ["train", "val"] {
        add_images(&folder.path().join("images").join(split).join("ant"), 1);
    }
    let mut spec = probed(micro("on pets", 1), &[0]);
    spec.settings.dataset.name = "pets".into();
    spec.settings.dataset.train_per_class = None;
    spec.settings.dataset.test_per_class = None;
    spec.settings.attack.target_class = 0;
    for recipe in [&mut spec.settings.pretrain.batch_size, &mut spec.settings.probe.batch_size] {
        *recipe = 2;
    }
    let study = write_study(folder.path(), &spec);
    let stopped = refused(&["run", &study]);
    assert!(
        stopped.contains("the folder FOLDER/images of the data set pets has changed since it was added: 3 classes instead of 2 (new: ant)"),
        "{stopped}"
    );
    assert!(stopped.contains("files (new: train/ant/0.png, val/ant/0.png)"), "{stopped}");
    assert!(stopped.contains("`maskdoor datasets update pets`"), "{stopped}");
    assert!(!run(&["runs"]).contains("pets"), "nothing was queued");

    let updated = run(&["datasets", "update", "pets"]);
    assert!(
        updated.starts_with("pets@2: 3 classes, 5 training and 3 validation images\n"),
        "{updated}"
    );
    let listed = run(&["datasets", "list"]);
    assert!(listed.contains("pets ") && listed.contains("pets@2"), "{listed}");
    let newest = refused(&["datasets", "update", "pets@2"]);
    assert_eq!(newest, "error: the folder is as it was when pets@2 was added\n");
    let trained = run(&["run", &study, "--set", "dataset.name=pets@2"]);
    assert!(trained.contains("done"), "{trained}");
    let rows = run(&["runs", "--json"]);
    assert!(rows.contains("pets@2"), "results name the version: {rows}");
    // The first state is back: the first version is right again, and the second is not.
    for split in ["train", "val"] {
        fs::remove_dir_all(folder.path().join("images").join(split).join("ant")).unwrap();
    }
    run(&["run", &study]);
    let stopped = refused(&["run", &study, "--set", "dataset.name=pets@2", "--set", "seed=2"]);
    assert!(stopped.contains("2 classes instead of 3 (gone: ant)"), "{stopped}");
}

#[test]
fn data_sets_are_added_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    let picture = image::RgbImage::from_pixel(8, 8, image::Rgb([9, 80, 200]));
    for (split, class, n) in
        [("train", "cat", 2), ("train", "dog", 3), ("val", "cat", 1), ("val", "dog", 1)]
    {
        let place = images.join(split).join(class);
        fs::create_dir_all(&place).unwrap();
        for at in 0..n {
            picture.save(place.join(format!("{at}.png"))).unwrap();
        }
    }
    fs::write(images.join("train/dog/torn.png"), "no picture").unwrap();
    fs::write(images.join("train/dog/notes.txt"), "no picture").unwrap();
    let data = folder.path().join("data").display().to_string();
    let path = images.display().to_string();
    let added = success(folder.path(), &["datasets", "add", "pets", &path, "--data-dir", &data]);
    assert!(added.starts_with("pets: 2 classes, 5 training and 2 validation images\n"), "{added}");
    assert!(added.contains(&format!("layout: image folder, in {path}\n")), "{added}");
    assert!(added.contains("train/dog/torn.png"), "{added}");
    assert!(added.contains("1 not used (not an image: text): train/dog/notes.txt\n"), "{added}");
    let listed = success(folder.path(), &["datasets", "list", "--data-dir", &data]);
    assert!(listed.contains("shapes") && listed.contains("pets"), "{listed}");
    let again = failure(folder.path(), &["datasets", "add", "pets", &path, "--data-dir", &data]);
    assert_eq!(again, "error: name: there already is a data set pets; choose another name\n");
    success(folder.path(), &["datasets", "remove", "pets", "--data-dir", &data]);
    let gone = failure(folder.path(), &["datasets", "remove", "pets", "--data-dir", &data]);
    assert_eq!(gone, "error: there is no data set \"pets\"; there are: shapes\n");
    assert!(images.join("train/dog/0.png").exists(), "the image files are kept");
}

#[test]
fn hidden_patches_are_reconstructed_on_a_sheet() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (json, data, sheet) = (place("out.json"), place("data"), place("sheet.png"));
    let mut spec = micro("look", 2);
    spec.runs = vec![RunKind::Pretrain, RunKind::Probe];
    let study = write_study(folder.path(), &spec);
    success(folder.path(), &["run", &study, "--data-dir", &data, "--json", &json]);
    let runs: Vec<RunResult> = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let (run, probe) = (runs[0].run.to_string(), runs[1].run.to_string());
    let start = ["reconstruct", &run, &sheet, "--data-dir", &data];
    let errors = place("errors.json");
    let more = ["--images", "0,19", "--hide", "0,3", "--json", &errors];
    let said = success(folder.path(), &[&start[..], &more].concat());
    assert!(said.contains("error, triggered") && said.contains("sheet.png"), "{said}");
    // Two of the four patches are hidden: the printed mean is over these two.
    let errors: serde_json::Value = serde_json::from_slice(&fs::read(errors).unwrap()).unwrap();
    assert_eq!(errors[1]["hidden"], serde_json::json!([true, false, false, true]));
    let patch = |at: usize| errors[1]["clean"][at].as_f64().unwrap();
    let mean = format!("{:.4}", f64::midpoint(patch(0), patch(3)));
    assert!(
        said.lines().any(|line| line.trim_start().starts_with("19") && line.contains(&mean)),
        "{mean} {said}"
    );
    let file = image::load_from_memory(&fs::read(&sheet).unwrap()).unwrap();
    assert_eq!((file.width(), file.height()), (190 + 4 * 102, 34 + 4 * 102));

    let photograph = place("a photograph.jpg");
    let sky = image::RgbImage::from_fn(50, 20, |x, y| image::Rgb([x as u8 * 5, y as u8 * 12, 200]));
    sky.save(&photograph).unwrap();
    let (errors, letter) = (place("errors.json"), place("letter.png"));
    let more = ["--picture", &photograph, "--hide", "1", "--json", &errors];
    let said = success(folder.path(), &[&start[..], &more].concat());
    assert!(said.contains("a photograph.jpg"), "{said}");
    let errors: serde_json::Value = serde_json::from_slice(&fs::read(errors).unwrap()).unwrap();
    assert_eq!(errors.as_array().unwrap().len(), 1);
    assert_eq!(errors[0]["name"], "a photograph.jpg");
    assert!(errors[0].get("class").is_none() && errors[0].get("image").is_none(), "{errors}");
    let file = image::load_from_memory(&fs::read(&sheet).unwrap()).unwrap();
    assert_eq!((file.width(), file.height()), (190 + 4 * 102, 34 + 2 * 102));
    fs::write(&letter, "Dear Sir").unwrap();

    for (more, wrong) in [
        (&["--picture", &letter][..], "letter.png: the file's content is text"),
        (&["--hide", "4"], "--hide: there is no patch 4; the patches are 0 to 3, row by row"),
        (&["--hide", "0,1,2,3"], "mask.hidden: hides every patch; leave at least one visible"),
        (&["--mask-ratio", "1"], "mask.ratio: takes a number above 0 and below 1"),
        (&["--images", "20"], "there is no image 20: this part of the data set has 20 images"),
        (&["--epoch", "7"], "file: this run has no checkpoint \"checkpoint-0007.safetensors\""),
    ] {
        let said = failure(folder.path(), &[&start[..], more].concat());
        assert!(said.contains(wrong), "{said}");
    }
    let both = [&start[..], &["--picture", &photograph, "--images", "1"]].concat();
    let output = maskdoor(folder.path()).args(both).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot be used with") && output.status.code() == Some(2), "{said}");
    let of_probe = ["reconstruct", &probe, &sheet, "--data-dir", &data];
    let said = failure(folder.path(), &of_probe);
    assert!(said.contains("is not a pre-training; only pre-trainings have a decoder"), "{said}");
}

#[test]
fn a_checkpoint_goes_out_and_in_and_its_probes_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (json, data, elsewhere) = (place("out.json"), place("data"), place("elsewhere"));
    let mut spec = micro("out", 2);
    spec.settings.pretrain.poisons = 0;
    let study = write_study(folder.path(), &spec);
    success(folder.path(), &["run", &study, "--data-dir", &data, "--json", &json]);
    let read =
        || -> Vec<RunResult> { serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap() };
    let whole = read();

    let (run, file) = (whole[0].run.to_string(), place("timm.safetensors"));
    let at = ["--data-dir", &data];
    let export = ["checkpoints", "export", &run, "--format", "timm", &file];
    assert_eq!(success(folder.path(), &[&export[..], &at].concat()).trim(), file);
    let inspect = ["checkpoints", "inspect", &file, "--heads", "1"];
    let told = success(folder.path(), &inspect);
    assert!(told.contains("encoder 8 x 1, 1 head") && told.contains("no decoder"), "{told}");
    let at = ["--data-dir", &elsewhere];
    let import = ["checkpoints", "import", &file, "--name", "enc", "--heads", "1"];
    let told = success(folder.path(), &[&import[..], &at].concat());
    assert!(told.contains("encoder = \"enc\""), "{told}");
    let list = success(folder.path(), &[&["checkpoints", "list"][..], &at].concat());
    assert!(list.contains("enc") && list.contains("timm.safetensors"), "{list}");

    spec.settings.encoder = Some("enc".into());
    let study = write_study(folder.path(), &spec);
    success(folder.path(), &["run", &study, "--data-dir", &elsewhere, "--json", &json]);
    let probes = read();
    assert_eq!(probes.len(), 2);
    for (again, first) in probes.iter().zip(&whole[1..]) {
        let result = |run: &RunResult| (run.lpr, run.loss, run.ca, run.asr, run.ra);
        assert_eq!(result(again), result(first));
    }
    let remove = ["checkpoints", "remove", "enc"];
    let kept = failure(folder.path(), &[&remove[..], &at].concat());
    assert_eq!(kept, "error: the study \"out\" starts from enc; delete it first\n");
    let missing = ["checkpoints", "export", "none", "--format", "mae", &file];
    let missing = failure(folder.path(), &[&missing[..], &at].concat());
    assert_eq!(missing, "error: there is no imported checkpoint none\n");
}

#[test]
fn a_folder_without_train_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let said = failure(
        folder.path(),
        &["datasets", "add", "pets", &empty.display().to_string(), "--data-dir", &data],
    );
    assert!(said.starts_with("error: FOLDER/empty cannot be used as a data set: "), "{said}");
}

#[test]
fn a_worker_without_an_order_says_so_and_leaves_a_failed_event() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().display().to_string();
    let said = failure(folder.path(), &["worker", &run]);
    assert!(said.contains("FOLDER/run.json is not a valid order"), "{said}");
    let event: shared::Stamped = serde_json::from_str(
        fs::read_to_string(folder.path().join("events.jsonl")).unwrap().trim(),
    )
    .unwrap();
    assert!(matches!(event.event, shared::RunEvent::Failed { .. }), "{event:?}");
    let again = failure(folder.path(), &["worker", &run]);
    assert!(again.contains("a worker is started only once per attempt"), "{again}");
}

#[test]
fn an_address_beyond_this_machine_needs_a_token_or_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let beyond = ["serve", "--addr", "0.0.0.0:0", "--data-dir", &data];
    let said = failure(folder.path(), &beyond);
    assert!(said.contains("nobody has a token: make one with `maskdoor token add NAME`"), "{said}");
    let said = failure(folder.path(), &[&beyond[..], &["--without-token"]].concat());
    assert!(said.contains("--without-token is for 127.0.0.1 alone"), "{said}");
    let short = folder.path().join("short");
    fs::write(&short, "12345678901\n").unwrap();
    let short = short.display().to_string();
    let said = failure(folder.path(), &[&beyond[..], &["--password-file", &short]].concat());
    assert!(said.contains("has fewer than 12 characters"), "{said}");

    let token = success(
        folder.path(),
        &["token", "add", "me", "--rights", "read", "--days", "2", "--data-dir", &data],
    );
    assert_eq!(token.trim().len(), 43, "256 bits in base64");
    let again = failure(folder.path(), &["token", "add", "me", "--data-dir", &data]);
    assert!(again.contains("there already is a token me"), "{again}");
    let listed = success(folder.path(), &["token", "list", "--data-dir", &data]);
    assert!(
        listed.contains("me") && listed.contains("read") && listed.contains("in 2 days"),
        "{listed}"
    );

    let mut server = std::process::Command::new(env!("CARGO_BIN_EXE_maskdoor"))
        .args(beyond)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(server.stdout.take().unwrap()));
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains(" on http://0.0.0.0:") && !first.contains("token"), "{first}");
    let second = lines.next().unwrap().unwrap();
    assert!(second.starts_with("Data folder: "), "{second}");
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = server.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("This address can be reached from outside this machine"), "{text}");
    let removed = success(folder.path(), &["token", "remove", "me", "--data-dir", &data]);
    assert!(removed.contains("me was removed"), "{removed}");
}

#[test]
fn the_log_is_written_to_a_file_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("maskdoor.log"));
    let nowhere = folder.path().join("none/maskdoor.log").display().to_string();
    let refused = failure(folder.path(), &["serve", "--log-file", &nowhere]);
    assert!(
        refused.contains("the log cannot be written to FOLDER/none/maskdoor.log; give --log-file"),
        "{refused}"
    );

    let mut server = std::process::Command::new(env!("CARGO_BIN_EXE_maskdoor"))
        .args(["serve", "--addr", "127.0.0.1:0", "--without-token", "--log-format", "json"])
        .arg("--log-file")
        .arg(&log)
        .arg("--data-dir")
        .arg(&data)
        .env("MASKDOOR_LOG", "info,tower_http=debug")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let address = served_at(&mut server);
    let mut connection = TcpStream::connect(address).unwrap();
    let request = "GET /ready?token=secret HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: script-1\r\nConnection: close\r\n\r\n";
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("x-request-id: script-1"), "{answer}");
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = server.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");

    let text = fs::read_to_string(log).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["span"]["id"] == "script-1"), "{text}");
    assert!(lines.iter().any(|line| line["level"] == "INFO"), "the end is logged: {text}");
    assert!(!text.contains("secret"), "{text}");
}
