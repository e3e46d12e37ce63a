//! Journeys through the pages of the real program, each from an empty data folder.

mod access;
mod bad_files;
mod bad_input;
mod base_path;
mod changed_folder;
mod compare;
mod defence;
mod devices;
mod disk;
mod finetune;
mod foreign;
mod live_study;
mod manage;
mod new_study;
mod outside;
mod pages;
mod queue;
mod reconstruct;
mod same_bits;
mod steps;
mod sweep;
mod triggers;
mod watch;
