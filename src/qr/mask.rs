//! The choice of the mask (ISO/IEC 18004:2015 section 7.8.3), on rows of bits.
//!
//! The crate that draws the symbol can choose as well; it looks at each module by itself, which takes most of the
//! time of drawing one. Here 64 modules are looked at in one step. Whatever is chosen, the crate draws it: a mistake
//! here would make a symbol that is harder to read, and never another one.

use std::vec;
use std::vec::Vec;

use qrcode::Color;
use qrcode::canvas::{Canvas, MaskPattern, Module};
use zeroize::Zeroizing;

/// The mask with the lowest penalty, for an unmasked symbol of `width` modules on each side; the first of several.
pub(super) fn best_mask(canvas: &Canvas, width: usize) -> MaskPattern {
    let unmasked = Unmasked::read(canvas, width);
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
    masks.into_iter().min_by_key(|&mask| unmasked.penalty(mask)).unwrap_or(MaskPattern::Checkerboard)
}

/// A row of modules, the leftmost in the lowest bit of the first word; a set bit is a dark module.
type Row = [u64; WORDS];

/// Enough for the widest symbol, which has 177 modules.
const WORDS: usize = 3;
/// How far a pattern looks back from where it begins.
const BEFORE: usize = 4;
/// How far it looks ahead.
const AFTER: usize = 10;

/// A symbol before the mask, with light rows around it to look at.
struct Unmasked {
    dark: Zeroizing<Vec<Row>>,
    /// The modules that a mask turns.
    free: Vec<Row>,
    /// The modules that are there at all.
    inside: Row,
    width: usize,
}

impl Unmasked {
    fn read(canvas: &Canvas, width: usize) -> Self {
        let blank = || vec![Row::default(); BEFORE + width + AFTER];
        let mut symbol = Self { dark: Zeroizing::new(blank()), free: blank(), inside: Row::default(), width };
        for x in 0..width {
            set(&mut symbol.inside, x);
        }
        let rows = symbol.dark.iter_mut().zip(&mut symbol.free).skip(BEFORE);
        for (y, (dark, free)) in (0..width).zip(rows) {
            for x in 0..width {
                // A width is at most 177.
                let module = canvas.get(x as i16, y as i16);
                if module.is_dark() {
                    set(dark, x);
                }
                if !matches!(module, Module::Masked(Color::Dark | Color::Light)) {
                    set(free, x);
                }
            }
        }
        symbol
    }

    /// The penalty of the symbol under `mask`, but for what is the same under each.
    fn penalty(&self, mask: MaskPattern) -> u32 {
        let mut rows = self.dark.clone();
        for (y, (row, free)) in rows.iter_mut().zip(&self.free).skip(BEFORE).take(self.width).enumerate() {
            for ((word, free), turned) in row.iter_mut().zip(free).zip(mask_row(mask, y)) {
                *word ^= free & turned;
            }
        }
        for (x, y) in format_modules(mask, self.width) {
            if let Some(row) = rows.get_mut(BEFORE + y) {
                set(row, x);
            }
        }
        let words = self.width.div_ceil(64);
        let mut penalty = 0;
        let mut dark = 0;
        for (y, window) in rows.windows(BEFORE + 1 + AFTER).enumerate() {
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

/// The places where `mask` inverts, in row `y` (ISO/IEC 18004:2015 table 10).
fn mask_row(mask: MaskPattern, y: usize) -> Row {
    let bits = (0..6).fold(0_u64, |bits, x| {
        let remainder = match mask {
            MaskPattern::Checkerboard => (x + y) % 2,
            MaskPattern::HorizontalLines => y % 2,
            MaskPattern::VerticalLines => x % 3,
            MaskPattern::DiagonalLines => (x + y) % 3,
            MaskPattern::LargeCheckerboard => (x / 3 + y / 2) % 2,
            MaskPattern::Fields => x * y % 2 + x * y % 3,
            MaskPattern::Diamonds => (x * y % 2 + x * y % 3) % 2,
            MaskPattern::Meadow => ((x + y) % 2 + x * y % 3) % 2,
        };
        bits | u64::from(remainder == 0) << x
    });
    // All repeat after six modules; a word ends in the fourth of them.
    const EVERY_SIXTH: u64 = 0x1041_0410_4104_1041;
    core::array::from_fn(|word| {
        let begin = word * 64 % 6;
        ((bits >> begin | bits << (6 - begin)) & 0x3f).wrapping_mul(EVERY_SIXTH)
    })
}

/// The dark modules of the format information for level M and `mask`, in both places (ISO/IEC 18004:2015 section 7.9).
fn format_modules(mask: MaskPattern, width: usize) -> impl Iterator<Item = (usize, usize)> {
    // Level M is 00. BCH (15, 5) with the generator 10100110111, and a mask of its own.
    let data = (mask as u32) << 10;
    let checked =
        (0..5).rev().fold(data, |rest, bit| if rest >> (bit + 10) & 1 == 1 { rest ^ 0x537 << bit } else { rest });
    let format = (data | checked) ^ 0x5412;
    // From the lowest bit, past the timing patterns. The module that is always dark was drawn with these patterns.
    (0..15).filter(move |bit| format >> bit & 1 == 1).flat_map(move |bit| match bit {
        0..=5 => [(8, bit), (width - 1 - bit, 8)],
        6 | 7 => [(8, bit + 1), (width - 1 - bit, 8)],
        8 => [(7, 8), (8, width - 7)],
        _ => [(14 - bit, 8), (8, width - 15 + bit)],
    })
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
