//! QR codes are read back by two decoders that know nothing of each other, from every picture that is made.

use std::process::Command;

use factorgate::otp::{Secret, Totp};
use factorgate::otpauth::{AccountName, Issuer, KeyUri, QrCode};

/// A grayscale picture, square, a byte for each pixel.
struct Picture {
    side: usize,
    pixels: Vec<u8>,
}

impl Picture {
    fn draw(side: usize, pixel: impl Fn(usize, usize) -> u8) -> Self {
        let pixels = (0..side * side).map(|at| pixel(at % side, at / side)).collect();
        Self { side, pixels }
    }

    /// Dark modules on white, `scale` pixels for each on both sides.
    fn of_modules(modules: &[Vec<bool>], scale: usize) -> Self {
        Self::draw(modules.len() * scale, |x, y| if modules[y / scale][x / scale] { 0 } else { 255 })
    }

    fn of_png(png: &[u8]) -> Self {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let info = reader.info();
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Grayscale, png::BitDepth::One));
        let side = info.width as usize;
        let mut rows = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut rows).unwrap();
        let row_len = side.div_ceil(8);
        Self::draw(side, |x, y| if rows[y * row_len + x / 8] & (0x80 >> (x % 8)) == 0 { 0 } else { 255 })
    }

    /// In the middle of a page of another color.
    fn on_page(&self, color: u8) -> Self {
        const MARGIN: usize = 20;
        Self::draw(self.side + 2 * MARGIN, |x, y| {
            let (x, y) = (x.wrapping_sub(MARGIN), y.wrapping_sub(MARGIN));
            if x < self.side && y < self.side { self.pixels[y * self.side + x] } else { color }
        })
    }

    fn read_by_rqrr(&self) -> Option<String> {
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(self.side, self.side, |x, y| self.pixels[y * self.side + x]);
        let grids = image.detect_grids();
        grids.first().and_then(|grid| grid.decode().ok()).map(|(_, text)| text)
    }

    fn read_by_zbar(&self, name: &str) -> Option<String> {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        let file = std::fs::File::create(&path).unwrap();
        let mut encoder = png::Encoder::new(file, self.side as u32, self.side as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&self.pixels).unwrap();
        let output = Command::new("zbarimg")
            .args(["--quiet", "--raw", "--nodbus", "-Sdisable", "-Sqrcode.enable"])
            .arg(&path)
            .output()
            .unwrap_or_else(|why| panic!("zbarimg is needed, of the package zbar-tools: {why}"));
        std::fs::remove_file(path).unwrap();
        String::from_utf8(output.stdout).unwrap().strip_suffix('\n').map(str::to_owned)
    }
}

/// Draws the SVG as a browser does: a white ground, and a pen of width 1 that moves along rows.
fn draw(svg: &str) -> Vec<Vec<bool>> {
    let attribute = |name: &str| svg.split_once(name).unwrap().1.split_once('"').unwrap().0.to_owned();
    let side: usize = attribute("viewBox=\"0 0 ").split(' ').next().unwrap().parse().unwrap();
    assert!(svg.contains(&format!("<rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>")));
    let path = attribute("stroke=\"#000\" d=\"");
    let mut modules = vec![vec![false; side]; side];
    let (mut x, mut row) = (0, 0);
    for (at, command) in path.char_indices().filter(|(_, c)| c.is_alphabetic()) {
        let arguments = path[at + 1..].split(|c: char| c.is_alphabetic()).next().unwrap();
        let numbers: Vec<f64> = arguments.split(' ').map(|number| number.parse().unwrap()).collect();
        match (command, numbers.as_slice()) {
            ('M', [to_x, to_y]) => (x, row) = (*to_x as usize, (to_y - 0.5) as usize),
            ('m', [by, 0.0]) => x += *by as usize,
            ('h', [by]) => {
                modules[row][x..x + *by as usize].fill(true);
                x += *by as usize;
            }
            other => panic!("{other:?}"),
        }
    }
    modules
}

/// Usual ones, and two that are far larger than those of a service.
fn qr_codes() -> Vec<(KeyUri, QrCode)> {
    let long = format!("{}@example.com", "é".repeat(100));
    [("ACME Co", "alice@example.com", 20), ("A", "b", 16), ("Ünïcode & Söhne", &long, 64), ("Long", &long, 512)]
        .into_iter()
        .map(|(issuer, account, len)| {
            let secret = Secret::from_bytes(&vec![0x5a; len]).unwrap();
            let (issuer, account) = (Issuer::new(issuer).unwrap(), AccountName::new(account).unwrap());
            let uri = KeyUri::totp(&issuer, &account, &secret, &Totp::default()).unwrap();
            let qr = uri.qr().unwrap();
            (uri, qr)
        })
        .collect()
}

/// Both decoders read the picture, as it is and inside of a dark page.
fn assert_read(name: &str, picture: &Picture, scale: usize, uri: &KeyUri) {
    // At one pixel a module the decoders have nothing to find an edge by in a symbol of more than a hundred modules
    // a side. A camera never sees it so: it has several pixels for each of the screen's.
    let picture = match picture.side {
        side if scale == 1 && side > 100 => &Picture::draw(side * 3, |x, y| picture.pixels[y / 3 * side + x / 3]),
        _ => picture,
    };
    for (page, picture) in [("white", picture), ("dark", &picture.on_page(0x18)), ("black", &picture.on_page(0))] {
        let read = [picture.read_by_rqrr(), picture.read_by_zbar(name)];
        assert_eq!(read, [(); 2].map(|()| Some(uri.expose_secret().to_owned())), "{name}, scale {scale}, on {page}");
    }
}

/// S4.
#[test]
fn svg_is_read_back() {
    for (uri, qr) in qr_codes() {
        let modules = draw(&qr.to_svg());
        assert_eq!(modules.len(), qr.width() + 8);
        for scale in [1, 2, 4, 8] {
            assert_read("svg", &Picture::of_modules(&modules, scale), scale, &uri);
        }
    }
}

/// S4.
#[test]
fn png_is_read_back() {
    for (uri, qr) in qr_codes() {
        for scale in [1, 2, 4, 8] {
            let picture = Picture::of_png(&qr.to_png(scale));
            assert_eq!(picture.side, (qr.width() + 8) * usize::from(scale));
            assert_read("png", &picture, scale.into(), &uri);
        }
    }
}

/// S4.
#[test]
fn text_and_modules_are_read_back() {
    for (uri, qr) in qr_codes() {
        let lines: Vec<Vec<char>> = qr.to_unicode().lines().map(|line| line.chars().collect()).collect();
        let drawn = |x: usize, y: usize| (if y.is_multiple_of(2) { "▀█" } else { "▄█" }).contains(lines[y / 2][x]);
        let there = |x: usize, y: usize| x >= 4 && y >= 4 && qr.is_dark(x - 4, y - 4);
        let side = qr.width() + 8;
        for (name, dark) in [("text", &drawn as &dyn Fn(usize, usize) -> bool), ("modules", &there)] {
            let modules: Vec<Vec<bool>> = (0..side).map(|y| (0..side).map(|x| dark(x, y)).collect()).collect();
            assert_read(name, &Picture::of_modules(&modules, 4), 4, &uri);
        }
    }
}

/// The control.
#[test]
fn missing_quiet_zone_is_not_read_on_a_dark_page() {
    let (_, qr) = qr_codes().remove(0);
    let modules: Vec<Vec<bool>> =
        draw(&qr.to_svg())[4..][..qr.width()].iter().map(|row| row[4..][..qr.width()].into()).collect();
    let picture = Picture::of_modules(&modules, 4).on_page(0);
    assert_eq!([picture.read_by_rqrr(), picture.read_by_zbar("control")], [None, None]);
}
