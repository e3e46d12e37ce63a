//! `maskdoor token add NAME | list | remove NAME`.

use std::process::ExitCode;

use anyhow::bail;

use super::{TokenArgs, TokenCommand};
use crate::{
    terminal::{Align, say, table},
    tokens::{Secret, Token},
};

/// Longest name, in characters.
const LONGEST: usize = 64;
const DAY: u64 = 24 * 3600 * 1000;

pub async fn run(args: TokenArgs) -> anyhow::Result<ExitCode> {
    let app = args.data.open().await?;
    let now = app.clock.now_ms();
    match args.command {
        TokenCommand::Add { name, rights, days } => {
            let name = name.trim().to_owned();
            if name.is_empty() || name.chars().count() > LONGEST || name.contains(char::is_control)
            {
                bail!("a token's name has 1 to {LONGEST} characters, not {name:?}");
            }
            // These are whoever comes without a token.
            if ["local", "password"].contains(&name.as_str()) {
                bail!("a token cannot be named {name}; choose another name");
            }
            let secret = Secret::draw();
            let expires_at = days.map(|days| now + u64::from(days) * DAY);
            let token = Token { name, rights, created_at: now, expires_at };
            app.store.insert_token(&token, &Secret::of(&secret)).await?;
            say(secret);
        }
        TokenCommand::List => {
            let head = [("name", Align::Left), ("rights", Align::Left), ("expires", Align::Left)];
            let expires = |token: &Token| match token.expires_at {
                None => "never".to_owned(),
                Some(at) if at <= now => "expired".into(),
                Some(at) => format!("in {} days", (at - now).div_ceil(DAY)),
            };
            let row =
                |token: &Token| vec![token.name.clone(), token.rights.to_string(), expires(token)];
            let tokens = app.store.list_tokens().await?;
            say(table(&head, &tokens.iter().map(row).collect::<Vec<_>>()));
        }
        TokenCommand::Remove { name } => {
            app.store.delete_token(&name).await?;
            say(format_args!("{name} was removed"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
