//! Elastic columns as Go's `text/tabwriter` makes them.

/// Aligns the tab-terminated cells of consecutive lines: columns of at least `minimum`, with `padding` blanks after
/// the widest cell. What follows the last tab of a line is no column.
pub(crate) fn align(text: &str, minimum: usize, padding: usize) -> String {
    let ended = text.ends_with('\n');
    let body = text.strip_suffix('\n').unwrap_or(text);
    let lines: Vec<Vec<&str>> = body.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len() - 1]).collect();
    set_widths(&lines, &mut widths, 0, lines.len(), 0, minimum, padding);
    let mut out = String::with_capacity(text.len() * 2);
    for (cells, widths) in lines.iter().zip(&widths) {
        for (i, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths.get(i) {
                let used = cell.chars().count();
                out.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
            }
        }
        out.push('\n');
    }
    if !ended {
        out.pop();
    }
    out
}

/// A column is a run of consecutive lines that all have a cell there; within the run the next column is looked for.
fn set_widths(
    lines: &[Vec<&str>],
    widths: &mut [Vec<usize>],
    from: usize,
    to: usize,
    column: usize,
    minimum: usize,
    padding: usize,
) {
    let mut at = from;
    while at < to {
        if lines[at].len() <= column + 1 {
            at += 1;
            continue;
        }
        let end = (at..to).find(|i| lines[*i].len() <= column + 1).unwrap_or(to);
        let widest = (at..end).map(|i| lines[i][column].chars().count()).max().unwrap_or(0);
        let width = (widest + padding).max(minimum);
        for row in &mut widths[at..end] {
            row[column] = width;
        }
        set_widths(lines, widths, at, end, column + 1, minimum, padding);
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns() {
        assert_eq!(
            align("A\tB\tC\nlonger text\tx\ty\n", 10, 3),
            "A             B         C\nlonger text   x         y\n"
        );
        assert_eq!(align("a\tb\n\nccccccccccccc\td\n", 10, 3), "a         b\n\nccccccccccccc   d\n");
    }
}
