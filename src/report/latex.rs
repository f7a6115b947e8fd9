//! Tables in LaTeX, for `\input` in a paper: `tabular` alone, without packages.

use super::Condition;
use super::pivot::Pivot;
use super::text;

/// Conditions as `ncut report` shows them, columns that are empty throughout left out, then the tables that the file asks for.
pub fn latex(conditions: &[Condition], tables: &[Pivot]) -> String {
    let text::Shown { header, rows, .. } = text::shown(conditions);
    let mut tex = tabular(&header, &rows);
    for Pivot { title, header, rows } in tables {
        tex.push_str(&format!("\n% {}\n{}", title.replace(['\n', '\r'], " "), tabular(header, rows)));
    }
    tex
}

fn tabular(header: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
        format!("  {} \\\\\n", cells.join(" & "))
    };
    let mut tex = format!("\\begin{{tabular}}{{{}}}\n  \\hline\n{}  \\hline\n", "l".repeat(header.len()), line(header));
    rows.iter().for_each(|row| tex.push_str(&line(row)));
    tex + "  \\hline\n\\end{tabular}\n"
}

/// Text in which nothing is a command, in any encoding of LaTeX.
fn escape(text: &str) -> String {
    let mut tex = String::new();
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => tex.extend(['\\', c]),
            '\\' => tex.push_str("\\textbackslash{}"),
            '~' => tex.push_str("\\textasciitilde{}"),
            '^' => tex.push_str("\\textasciicircum{}"),
            '<' | '>' | '|' => tex.push_str(&format!("${c}$")),
            '±' => tex.push_str("$\\pm$"),
            '−' => tex.push_str("$-$"),
            '×' => tex.push_str("$\\times$"),
            'λ' => tex.push_str("$\\lambda$"),
            c if c.is_control() => tex.push(' '),
            c => tex.push(c),
        }
    }
    tex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_a_command() {
        assert_eq!(
            escape("50_% of {a} & \\b^~#$ 1 ± 2 λ<3"),
            "50\\_\\% of \\{a\\} \\& \\textbackslash{}b\\textasciicircum{}\\textasciitilde{}\\#\\$ 1 $\\pm$ 2 $\\lambda$$<$3"
        );
        let pivot = Pivot {
            title: "a\nb".into(),
            header: vec!["x".into(), "y_1".into()],
            rows: vec![vec!["1".into(), "2".into()]],
        };
        let expected = "\n% a b\n\\begin{tabular}{ll}\n  \\hline\n  x & y\\_1 \\\\\n  \\hline\n  1 & 2 \\\\\n  \\hline\n\\end{tabular}\n";
        assert!(latex(&[], &[pivot]).ends_with(expected));
    }
}
