//! `docker stats`

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use client::{Client, Query};
use serde_json::Value;
use units::{Filters, bytes_size, human_size_with_precision};

use crate::app::App;
use crate::console;
use crate::failure::{Failure, Result};
use crate::flags::Matches;
use crate::format::{Listing, row, short_id, template_of, text};

const HEADERS: [(&str, &str); 9] = [
    ("Container", "CONTAINER"),
    ("Name", "NAME"),
    ("ID", "CONTAINER ID"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

const TABLE: &str =
    "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

/// The latest figures of one container, in the order in which the containers were named.
#[derive(Debug, Default)]
struct Board {
    order: Vec<String>,
    figures: BTreeMap<String, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    latest: Option<Value>,
    failure: Option<String>,
    /// The first answer, good or bad, is in.
    ready: bool,
}

type Shared = Arc<(Mutex<Board>, Condvar)>;

fn lock(shared: &Shared) -> MutexGuard<'_, Board> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `docker stats`
pub(super) fn run(app: &App, m: &Matches) -> Result<()> {
    let client = app.client()?;
    let stream = !m.on("no-stream");
    let configured = app.config.text("statsFormat");
    let given = m.text("format");
    let (template, table) = template_of(if given.is_empty() { configured } else { given }, TABLE);
    let listing = Listing { format: template, headers: &HEADERS, type_name: "*container.statsContext" };
    let shared: Shared = Arc::default();
    let all = m.args.is_empty();
    if all {
        if stream {
            follow_events(client, &shared, m.on("all"));
        }
        let query = Query::new().with_flag("all", m.on("all"));
        let list = client::container::list(client, &query)?;
        for container in list.as_array().into_iter().flatten() {
            collect(client, &shared, text(container, "Id"), stream);
        }
    } else {
        for name in &m.args {
            collect(client, &shared, name, stream);
        }
    }
    wait_first(&shared);
    if !all {
        let failures: Vec<String> = lock(&shared).figures.values().filter_map(|e| e.failure.clone()).collect();
        if !failures.is_empty() {
            return Err(Failure::new(failures.join("\n")));
        }
    }
    let trunc = !m.on("no-trunc");
    if !stream {
        let rows = rows(&shared, trunc);
        return if rows.is_empty() { Ok(()) } else { listing.print(table, &rows) };
    }
    loop {
        thread::sleep(Duration::from_millis(500));
        let rows = rows(&shared, trunc);
        if rows.is_empty() && !all {
            return console::out("\x1b[H\x1b[J");
        }
        let text = listing.render(table, &rows)?;
        let frame: String = text.split('\n').map(|line| format!("{line}\x1b[K\n")).collect();
        console::out(&format!("\x1b[H{frame}\x1b[J"))?;
    }
}

/// Begins to collect a container's figures.
fn collect(client: &Arc<Client>, shared: &Shared, name: &str, stream: bool) {
    {
        let mut board = lock(shared);
        if board.figures.contains_key(name) {
            return;
        }
        board.order.push(name.to_owned());
        board.figures.insert(name.to_owned(), Entry::default());
    }
    let (client, shared, name) = (Arc::clone(client), Arc::clone(shared), name.to_owned());
    let run = move || {
        let outcome = read_figures(&client, &shared, &name, stream);
        let mut board = lock(&shared);
        if let Some(entry) = board.figures.get_mut(&name) {
            entry.ready = true;
            if let Err(failure) = outcome {
                entry.failure = Some(failure.text);
            }
        }
        shared.1.notify_all();
    };
    let _ = thread::Builder::new().name("stats".to_owned()).spawn(run);
}

fn read_figures(client: &Client, shared: &Shared, name: &str, stream: bool) -> Result<()> {
    let response = client::container::stats(client, name, stream)?;
    for line in BufReader::new(response.body).split(b'\n') {
        let line = line?;
        if line.is_empty() {
            continue;
        }
        let value: Value = serde_json::from_slice(&line).map_err(|e| Failure::new(e.to_string()))?;
        let mut board = lock(shared);
        let Some(entry) = board.figures.get_mut(name) else { return Ok(()) };
        entry.latest = Some(value);
        entry.ready = true;
        shared.1.notify_all();
    }
    Ok(())
}

fn wait_first(shared: &Shared) {
    let board = lock(shared);
    let unready = |board: &mut Board| board.figures.values().any(|e| !e.ready);
    drop(shared.1.wait_timeout_while(board, Duration::from_secs(3), unready));
}

/// Containers that start and go while `stats` without names runs.
fn follow_events(client: &Arc<Client>, shared: &Shared, all: bool) {
    let (client, shared) = (Arc::clone(client), Arc::clone(shared));
    let run = move || {
        let mut filters = Filters::new();
        filters.add("type", "container");
        let Ok(response) = client::system::events(&client, &Query::new().with("filters", &filters.to_json())) else {
            return;
        };
        for line in BufReader::new(response.body).split(b'\n') {
            let Ok(line) = line else { return };
            let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
            let id = event["Actor"]["ID"].as_str().unwrap_or_default();
            match event["Action"].as_str().unwrap_or_default() {
                "start" => collect(&client, &shared, id, true),
                "create" if all => collect(&client, &shared, id, true),
                "destroy" => forget(&shared, id),
                "die" if !all => forget(&shared, id),
                _ => {}
            }
        }
    };
    let _ = thread::Builder::new().name("events".to_owned()).spawn(run);
}

fn forget(shared: &Shared, id: &str) {
    let mut board = lock(shared);
    board.figures.remove(id);
    board.order.retain(|o| o != id);
}

fn rows(shared: &Shared, trunc: bool) -> Vec<Value> {
    let board = lock(shared);
    let entries = board.order.iter().filter_map(|name| Some((name, board.figures.get(name)?)));
    entries.map(|(name, entry)| figures(name, entry.latest.as_ref().unwrap_or(&Value::Null), trunc)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn number(value: &Value, path: &str) -> f64 {
    let found = value.pointer(path);
    found.and_then(|v| v.as_u64().map(|n| n as f64).or_else(|| v.as_f64())).unwrap_or(0.0)
}

fn figures(name: &str, s: &Value, trunc: bool) -> Value {
    let id = s["id"].as_str().unwrap_or_default();
    let shown_name = s["name"].as_str().unwrap_or_default().trim_start_matches('/');
    let memory = memory_used(s);
    let limit = number(s, "/memory_stats/limit");
    let percent = if limit == 0.0 { 0.0 } else { memory / limit * 100.0 };
    let nets = s["networks"].as_object();
    let sum = |key: &str| nets.into_iter().flatten().map(|(_, n)| number(n, &format!("/{key}"))).sum::<f64>();
    let (read, write) = block_io(s);
    let pair = |a: f64, b: f64| format!("{} / {}", human_size_with_precision(a, 3), human_size_with_precision(b, 3));
    row(&[
        ("Container", name.into()),
        ("Name", if shown_name.is_empty() { "--" } else { shown_name }.into()),
        ("ID", if trunc { short_id(id) } else { id }.into()),
        ("CPUPerc", format!("{:.2}%", cpu_percent(s)).into()),
        ("MemUsage", format!("{} / {}", bytes_size(memory), bytes_size(limit)).into()),
        ("MemPerc", format!("{percent:.2}%").into()),
        ("NetIO", pair(sum("rx_bytes"), sum("tx_bytes")).into()),
        ("BlockIO", pair(read, write).into()),
        ("PIDs", s.pointer("/pids_stats/current").and_then(Value::as_u64).unwrap_or(0).to_string().into()),
    ])
}

fn cpu_percent(s: &Value) -> f64 {
    let delta = |path: &str| number(s, &format!("/cpu_stats/{path}")) - number(s, &format!("/precpu_stats/{path}"));
    let (used, system) = (delta("cpu_usage/total_usage"), delta("system_cpu_usage"));
    let online = match number(s, "/cpu_stats/online_cpus") {
        0.0 => s
            .pointer("/cpu_stats/cpu_usage/percpu_usage")
            .and_then(Value::as_array)
            .map_or(0.0, |l| l.iter().map(|_| 1.0).sum()),
        n => n,
    };
    if system > 0.0 && used > 0.0 { used / system * online * 100.0 } else { 0.0 }
}

/// Without the page cache that can be dropped at once.
fn memory_used(s: &Value) -> f64 {
    let usage = number(s, "/memory_stats/usage");
    for key in ["total_inactive_file", "inactive_file"] {
        if let Some(cache) = s.pointer(&format!("/memory_stats/stats/{key}")).and_then(Value::as_f64)
            && cache < usage
        {
            return usage - cache;
        }
    }
    usage
}

fn block_io(s: &Value) -> (f64, f64) {
    let entries = s.pointer("/blkio_stats/io_service_bytes_recursive").and_then(Value::as_array);
    let (mut read, mut write) = (0.0, 0.0);
    for entry in entries.into_iter().flatten() {
        match entry["op"].as_str().and_then(|op| op.chars().next()) {
            Some('r' | 'R') => read += number(entry, "/value"),
            Some('w' | 'W') => write += number(entry, "/value"),
            _ => {}
        }
    }
    (read, write)
}
