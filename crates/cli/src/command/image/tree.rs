//! The default look of `docker images` since Docker 29: one line per tag, with sizes and use, and `--tree`.

use serde_json::Value;
use units::human_size_with_precision;

use crate::console;
use crate::format::{short_id, text};

const UNTAGGED: &str = "<untagged>";

/// One line's figures.
struct Details {
    id: String,
    disk: String,
    content: String,
    in_use: bool,
}

struct Child {
    platform: String,
    details: Details,
}

struct Top {
    names: Vec<String>,
    details: std::rc::Rc<Details>,
    children: Vec<Child>,
}

fn human(size: &Value) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let size = size.as_i64().unwrap_or(0) as f64;
    human_size_with_precision(size, 3)
}

/// The whole listing.
pub(super) fn render(images: &[&Value], expanded: bool) -> String {
    let mut tops: Vec<Top> = images.iter().flat_map(|image| top(image, expanded)).collect();
    let spacing = expanded
        && images
            .iter()
            .any(|i| i["Manifests"].as_array().is_some_and(|m| m.iter().any(|m| text(m, "Kind") == "image")));
    tops.sort_by(|a, b| {
        let key = |t: &Top| t.names.first().cloned();
        match (key(a), key(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    });
    Layout::new(&tops).print(&tops, spacing)
}

fn top(image: &Value, expanded: bool) -> Vec<Top> {
    let mut in_use = image["Containers"].as_i64().unwrap_or(0) > 0;
    let mut content = 0;
    let mut children = Vec::new();
    for manifest in image["Manifests"].as_array().into_iter().flatten() {
        content += manifest["Size"]["Content"].as_i64().unwrap_or(0);
        if text(manifest, "Kind") != "image" {
            continue;
        }
        let used = manifest["ImageData"]["Containers"].as_array().is_some_and(|c| !c.is_empty());
        in_use |= used;
        if expanded {
            let platform = &manifest["ImageData"]["Platform"];
            let parts = ["os", "architecture", "variant"].map(|k| text(platform, k));
            children.push(Child {
                platform: parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("/"),
                details: Details {
                    id: short_id(text(manifest, "ID")).to_owned(),
                    disk: human(&manifest["Size"]["Total"]),
                    content: human(&manifest["Size"]["Content"]),
                    in_use: used,
                },
            });
        }
    }
    let details = std::rc::Rc::new(Details {
        id: short_id(text(image, "Id")).to_owned(),
        disk: human(&image["Size"]),
        content: human(&Value::from(content)),
        in_use,
    });
    let mut names: Vec<String> =
        image["RepoTags"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    names.sort();
    if expanded || names.is_empty() {
        return vec![Top { names, details, children }];
    }
    names
        .into_iter()
        .map(|name| Top { names: vec![name], details: std::rc::Rc::clone(&details), children: Vec::new() })
        .collect()
}

/// Widths and colours.
struct Layout {
    name_width: usize,
    /// How many of the columns after the name fit.
    columns: usize,
    extra_width: usize,
    any_in_use: bool,
    terminal: Option<usize>,
}

const SPACING: usize = 3;
const BOLD_BLUE: &str = "\x1b[34;1m";
/// How use is shown on a terminal.
const CHIP: &str = "\x1b[38;5;0m\x1b[48;5;14m U \x1b[0m";
const RESET: &str = "\x1b[0m";

impl Layout {
    fn new(tops: &[Top]) -> Self {
        let terminal = console::stdout_is_terminal().then(|| usize::from(console::terminal_size().1).max(20));
        let any_in_use = tops.iter().any(|t| t.details.in_use || t.children.iter().any(|c| c.details.in_use));
        let extra_width = 5;
        let mut widest = "Image".len();
        for top in tops {
            widest = widest.max(top.names.iter().map(String::len).max().unwrap_or(UNTAGGED.len()));
            widest = widest.max(top.children.iter().map(|c| c.platform.len() + "└─ ".len()).max().unwrap_or(0));
        }
        let mut columns = 4;
        let mut name_width = widest;
        if let Some(width) = terminal {
            let mut left = width;
            for (i, column) in [12, 10, 12, extra_width].into_iter().enumerate() {
                let needed = column + SPACING;
                if left < needed + 12 {
                    columns = i;
                    break;
                }
                left -= needed;
            }
            name_width = left.min(widest);
        }
        Self { name_width, columns, extra_width, any_in_use, terminal }
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.terminal.is_some() && !text.is_empty() { format!("{style}{text}{RESET}") } else { text.to_owned() }
    }

    fn details(&self, d: &Details) -> String {
        let mut out = String::new();
        let chip = match (self.any_in_use, d.in_use, self.terminal.is_some()) {
            (true, true, false) => "U".to_owned(),
            (true, true, true) => CHIP.to_owned(),
            (true, false, false) => " ".to_owned(),
            (true, false, true) => "   ".to_owned(),
            _ => String::new(),
        };
        let chip_width = if self.any_in_use { if self.terminal.is_some() { 3 } else { 1 } } else { 0 };
        let chip = format!("{chip}{}", " ".repeat(self.extra_width - chip_width));
        let cells = [format!("{:12}", d.id), format!("{:>10}", d.disk), format!("{:>12}", d.content), chip];
        for cell in cells.iter().take(self.columns) {
            out.push_str(&" ".repeat(SPACING));
            out.push_str(cell);
        }
        out
    }

    fn print(&self, tops: &[Top], spacing: bool) -> String {
        let mut out = String::new();
        if let Some(width) = self.terminal {
            // "i Info →  " and the chip with its meaning, at the right edge.
            let plain = "i Info →   U  In Use".chars().count();
            out.push_str(&" ".repeat(width.saturating_sub(plain)));
            out.push_str("\x1b[1m\x1b[106m\x1b[30mi\x1b[0m\x1b[0m \x1b[96mInfo → \x1b[0m\x1b[0m ");
            out.push_str(CHIP);
            out.push_str(" In Use\n");
        }
        let titles = [
            "ID          ".to_owned(),
            "DISK USAGE".to_owned(),
            "CONTENT SIZE".to_owned(),
            format!("{:1$}", "EXTRA", self.extra_width),
        ];
        out.push_str(&self.paint("\x1b[1m", &format!("{:1$}", "IMAGE", self.name_width)));
        for title in titles.iter().take(self.columns) {
            out.push_str(&" ".repeat(SPACING));
            out.push_str(&self.paint("\x1b[1m", title));
        }
        out.push('\n');
        for top in tops {
            self.names(&mut out, top);
            out.push_str(&self.details(&top.details));
            if !top.children.is_empty() || spacing {
                out.push('\n');
            }
            for (i, child) in top.children.iter().enumerate() {
                let branch = if i + 1 == top.children.len() { "└─ " } else { "├─ " };
                let name = format!("{branch}{}", child.platform);
                out.push_str(&format!("{name:0$}", self.name_width));
                out.push_str(&self.details(&child.details));
                out.push('\n');
            }
            out.push('\n');
        }
        out
    }

    fn names(&self, out: &mut String, top: &Top) {
        if top.names.is_empty() {
            out.push_str(&self.paint("\x1b[2m", UNTAGGED));
            out.push_str(&" ".repeat(self.name_width.saturating_sub(UNTAGGED.len())));
        }
        for (i, name) in top.names.iter().enumerate() {
            let last = i + 1 == top.names.len();
            let wide = name.chars().count() > self.name_width;
            out.push_str(&self.paint(BOLD_BLUE, name));
            out.push_str(&" ".repeat(self.name_width.saturating_sub(name.chars().count())));
            if !last || wide {
                out.push('\n');
            }
            if wide && last {
                out.push_str(&" ".repeat(self.name_width));
            }
        }
    }
}
