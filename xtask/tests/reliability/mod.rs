//! What a deploy promises, tried at every place where it can break: real nginx, sshd and containers, under load, to
//! 127.0.0.1 only. Longer than the other tests, and run by `make reliability`.

mod compose_forms;
mod crash_matrix;
mod cut;
mod cut_off;
mod engines;
mod hostile;
mod long_run;
mod neighbours;
mod projects;
mod reboot;
mod round_trips;
mod several_webs;
mod signals;
mod static_files;
mod target;
mod upgrade;
