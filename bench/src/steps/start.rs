//! P5 and P10: how long the program takes to listen, and how large it is.

use crate::figures::Figures;
use crate::machine;
use crate::ours::{self, Ours};
use crate::table::{Bound, Row};
use crate::world::{Target, World};

/// Starts a round.
const STARTS: usize = 10;

const START: &str = "start";
const SIZE: &str = "size";

/// P5, one round.
pub fn round(world: &World, figures: &mut Figures) -> anyhow::Result<()> {
    // The first one brings the program into memory.
    for at in 0..=world.scale.count(STARTS) {
        let ours = Ours::start_alone(&world.binary, world.upstream.port, &ours::keys(8))?;
        if at > 0 {
            figures.push(START, Target::Ours, Some(ours.started_in.as_secs_f64() * 1e3));
        }
    }
    Ok(())
}

/// P10.
pub fn size(world: &World, figures: &mut Figures) -> anyhow::Result<()> {
    figures.push(SIZE, Target::Ours, Some(machine::size(&world.binary)? as f64 / 1e6));
    Ok(())
}

/// P5 in the table.
pub fn start_rows(figures: &Figures) -> Vec<Row> {
    vec![figures.own_row("P5", "start to listening, ms", START, Bound::at_most(50.0, 15.0))]
}

/// P10 in the table.
pub fn size_rows(figures: &Figures) -> Vec<Row> {
    vec![figures.own_row("P10", "size of the stripped program, MB", SIZE, Bound::at_most(8.0, 5.0))]
}
