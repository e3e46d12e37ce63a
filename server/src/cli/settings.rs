//! `maskdoor settings`: the table of settings.

use shared::{RunKind, api::SettingInfo};

use super::SettingsArgs;
use crate::terminal::{Align, say, table};

pub fn run(args: &SettingsArgs) -> anyhow::Result<()> {
    let wanted = args.search.as_deref().unwrap_or_default().to_lowercase();
    let mut all = SettingInfo::all();
    all.retain(|setting| {
        setting.path.contains(&wanted) || setting.why.to_lowercase().contains(&wanted)
    });
    anyhow::ensure!(!all.is_empty(), "no setting has {wanted:?} in its path or its explanation");
    if args.json {
        say(serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    let head = [
        ("setting", Align::Left),
        ("takes", Align::Left),
        ("default", Align::Left),
        ("matters to", Align::Left),
        ("why", Align::Left),
    ];
    let rows: Vec<_> = all.iter().map(row).collect();
    say(table(&head, &rows));
    Ok(())
}

fn row(setting: &SettingInfo) -> Vec<String> {
    let path = match &setting.trigger {
        Some(trigger) => format!("{} ({trigger})", setting.path),
        None => setting.path.clone(),
    };
    let takes = setting.takes.trim_start_matches("takes ").trim_start_matches("is ");
    let kinds = if setting.kinds == RunKind::ALL {
        "all".to_owned()
    } else {
        setting.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
    };
    let default = setting.default.as_ref().map(ToString::to_string).unwrap_or_default();
    vec![
        path,
        format!("{takes} {}", setting.unit).trim_end().to_owned(),
        default,
        kinds,
        setting.why.clone(),
    ]
}
