//! The HTTP API: the real router on a real database in a throw-away folder.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod access;
mod compare;
mod datasets;
mod deletions;
mod devices;
mod disk;
mod evaluations;
mod events;
mod harness;
mod http;
mod imports;
mod judged;
mod keys;
mod openapi;
mod pictures;
mod queue;
mod reconstructions;
mod reports;
mod requests;
mod runs;
mod studies;
mod tables;
