//! Plain text on a terminal: headings, facts, tables.

use std::fmt::Display;
use std::io::IsTerminal as _;

/// Prints to standard output, in colour when that is a terminal.
#[derive(Clone, Copy)]
pub struct Show {
    colour: bool,
}

/// What a word means, for its colour.
#[derive(Clone, Copy)]
pub enum Tone {
    Plain,
    Good,
    Bad,
    Faint,
    Strong,
}

impl Show {
    pub fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colour }
    }

    pub fn paint(self, tone: Tone, text: impl Display) -> String {
        let code = match tone {
            _ if !self.colour => return text.to_string(),
            Tone::Plain => return text.to_string(),
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Faint => 2,
            Tone::Strong => 1,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    pub fn title(self, text: &str) {
        println!("\n{}\n", self.paint(Tone::Strong, text));
    }

    pub fn step(self, number: usize, text: &str) {
        println!("\n{}  {}", self.paint(Tone::Strong, number), self.paint(Tone::Strong, text));
    }

    pub fn fact(self, name: &str, value: impl Display) {
        println!("   {name:<13} {value}");
    }

    pub fn line(self, text: impl Display) {
        println!("   {text}");
    }

    /// A table whose cells carry a tone; the first row is the head.
    pub fn table(self, rows: &[Vec<(String, Tone)>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|(text, _)| text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in rows.iter().enumerate() {
            let mut line = String::from("   ");
            for ((text, tone), width) in row.iter().zip(&widths) {
                let tone = if number == 0 { Tone::Faint } else { *tone };
                let padding = " ".repeat(width.saturating_sub(text.chars().count()) + 2);
                line.push_str(&self.paint(tone, text));
                line.push_str(&padding);
            }
            println!("{}", line.trim_end());
        }
    }
}
