use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::Duration,
};

use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how far the work is, on stderr.
#[derive(Debug)]
pub struct Progress {
    bars: MultiProgress,
    /// A line for each piece of work that is done, for logs.
    lines: bool,
}

/// A piece of work.
#[derive(Debug)]
pub(crate) struct Task {
    bar: ProgressBar,
    lines: bool,
}

impl Progress {
    /// Bars on a terminal, else a line for each piece of work that is done.
    #[must_use]
    pub fn detect() -> Self {
        if stderr().is_terminal() {
            Self {
                bars: MultiProgress::new(),
                lines: false,
            }
        } else {
            Self {
                lines: true,
                ..Self::none()
            }
        }
    }

    /// Nothing at all.
    #[must_use]
    pub fn none() -> Self {
        Self {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            lines: false,
        }
    }

    /// Begins work on that many rows.
    pub(crate) fn begin(&self, name: &str, rows: usize) -> Task {
        let template = "{prefix:24} {wide_bar} {human_pos:>9}/{human_len} {elapsed:>4}";
        self.task(name, ProgressBar::new(rows as u64), template)
    }

    /// Begins work that can't be counted.
    pub(crate) fn wait(&self, name: &str) -> Task {
        let task = self.task(
            name,
            ProgressBar::new_spinner(),
            "{prefix:24} {spinner} {elapsed}",
        );
        task.bar.enable_steady_tick(Duration::from_millis(100));
        task
    }

    fn task(&self, name: &str, bar: ProgressBar, template: &str) -> Task {
        let style = ProgressStyle::with_template(template).expect("the templates are well-formed");
        let bar = self
            .bars
            .add(bar.with_style(style).with_prefix(name.to_owned()));
        Task {
            bar,
            lines: self.lines,
        }
    }
}

impl Task {
    pub(crate) fn advance(&self, rows: u64) {
        self.bar.inc(rows);
    }

    pub(crate) fn end(self) {
        self.bar.finish();
        if self.lines {
            let rows = match self.bar.length() {
                Some(rows) => format!("{} rows, ", HumanCount(rows)),
                None => String::new(),
            };
            let seconds = self.bar.elapsed().as_secs_f64();
            // Whoever closed the pipe doesn't want to know.
            let _ = writeln!(stderr(), "{:24} {rows}{seconds:.1} s", self.bar.prefix());
        }
    }
}
