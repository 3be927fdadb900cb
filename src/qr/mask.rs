//! The choice of the mask (ISO/IEC 18004:2015 section 7.8.3), on rows of bits.
//!
//! The crate that draws the symbol can choose as well; it looks at each module by itself, which takes most of the
//! time of drawing one. Here 64 modules are looked at in one step. The masks themselves are the crate's, and so is the
//! symbol: a mistake here would make one that is harder to read, and never another one.

use std::vec;
use std::vec::Vec;

use qrcode::canvas::{Canvas, MaskPattern};
use zeroize::Zeroizing;

/// The mask with the lowest penalty, for an unmasked symbol of `width` modules on each side; the first of several.
pub(super) fn best_mask(canvas: &Canvas, width: usize) -> MaskPattern {
    // The numbers of the patterns are those of the standard.
    let masks = [
        MaskPattern::Checkerboard,
        MaskPattern::HorizontalLines,
        MaskPattern::VerticalLines,
        MaskPattern::DiagonalLines,
        MaskPattern::LargeCheckerboard,
        MaskPattern::Fields,
        MaskPattern::Diamonds,
        MaskPattern::Meadow,
    ];
    let penalty = |&mask: &MaskPattern| {
        let mut masked = canvas.clone();
        masked.apply_mask(mask);
        Symbol::read(&masked, width).penalty()
    };
    masks.into_iter().min_by_key(penalty).unwrap_or(MaskPattern::Checkerboard)
}

/// A row of modules, the leftmost in the lowest bit of the first word; a set bit is a dark module.
type Row = [u64; WORDS];

/// Enough for the widest symbol, which has 177 modules.
const WORDS: usize = 3;
/// How far a pattern looks back from where it begins.
const BEFORE: usize = 4;
/// How far it looks ahead.
const AFTER: usize = 10;

/// A symbol, with light rows around it to look at.
struct Symbol {
    rows: Zeroizing<Vec<Row>>,
    /// The modules of a row that are there at all.
    inside: Row,
    width: usize,
}

impl Symbol {
    fn read(canvas: &Canvas, width: usize) -> Self {
        let mut rows = Zeroizing::new(vec![Row::default(); BEFORE + width + AFTER]);
        let mut inside = Row::default();
        for x in 0..width {
            set(&mut inside, x);
        }
        for (y, row) in (0..width).zip(rows.iter_mut().skip(BEFORE)) {
            // A width is at most 177.
            (0..width).filter(|&x| canvas.get(x as i16, y as i16).is_dark()).for_each(|x| set(row, x));
        }
        Self { rows, inside, width }
    }

    /// The penalty of the symbol, but for what is the same under each mask.
    fn penalty(&self) -> u32 {
        let words = self.width.div_ceil(64);
        let mut penalty = 0;
        let mut dark = 0;
        for (y, window) in self.rows.windows(BEFORE + 1 + AFTER).enumerate() {
            for word in 0..words {
                // The module itself, those that begin 4 before it and end 10 after it, along the column and the row.
                let column: [u64; BEFORE + 1 + AFTER] = core::array::from_fn(|k| word_at(window.get(k), word));
                let row = |k| displaced(window.get(BEFORE), word, k as isize - BEFORE as isize);
                let inside = |k| displaced(Some(&self.inside), word, k);
                let below = |rows| if y + rows < self.width { inside(0) } else { 0 };
                let above = if y > 0 { inside(0) } else { 0 };
                penalty += along_line(column, above, below(4));
                penalty += along_line(core::array::from_fn(row), inside(-1), inside(4));
                let next = displaced(window.get(BEFORE + 1), word, 0);
                let next_right = displaced(window.get(BEFORE + 1), word, 1);
                let [this, right] = [row(BEFORE), row(BEFORE + 1)];
                let all_dark = this & right & next & next_right;
                let all_light = !(this | right | next | next_right) & inside(1) & below(1);
                // Blocks of two by two.
                penalty += 3 * (all_dark | all_light).count_ones();
                dark += this.count_ones();
            }
        }
        // The share of dark modules, in half percents away from a half.
        let modules = (self.width * self.width).max(1) as u32;
        penalty + (dark * 200 / modules).abs_diff(100)
    }
}

/// The penalty of what begins at one of 64 places, by the modules along a line from 4 before to 10 after: runs of
/// five and more alike, and what looks like a finder pattern beside four light modules. `before` and `fifth` tell for
/// which places the module before and the fifth are in the symbol.
fn along_line(line: [u64; BEFORE + 1 + AFTER], before: u64, fifth: u64) -> u32 {
    let [b4, b3, b2, b1, m0, m1, m2, m3, m4, m5, m6, a1, a2, a3, a4] = line;
    let all_light = !(m0 | m1 | m2 | m3 | m4) & fifth;
    let five = m0 & m1 & m2 & m3 & m4 | all_light;
    let run_begins = five & (b1 ^ m0 | !before);
    let finder = m0 & !m1 & m2 & m3 & m4 & !m5 & m6;
    let crowded = (b4 | b3 | b2 | b1) & (a1 | a2 | a3 | a4);
    // 3 for a run of five, 1 for each more.
    five.count_ones() + 2 * run_begins.count_ones() + 40 * (finder & !crowded).count_ones()
}

/// 64 modules of a row, from `word` × 64 + `by`; light where there are none.
#[inline(always)]
fn displaced(row: Option<&Row>, word: usize, by: isize) -> u64 {
    let this = word_at(row, word);
    match by {
        0 => this,
        1.. => this >> by | word_at(row, word + 1) << (64 - by),
        _ => this << -by | word.checked_sub(1).map_or(0, |word| word_at(row, word)) >> (64 + by),
    }
}

#[inline(always)]
fn word_at(row: Option<&Row>, word: usize) -> u64 {
    row.and_then(|row| row.get(word)).copied().unwrap_or(0)
}

fn set(row: &mut Row, x: usize) {
    if let Some(word) = row.get_mut(x / 64) {
        *word |= 1 << (x % 64);
    }
}
