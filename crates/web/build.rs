//! Embeds the page: every file of `web-ui/dist` (or of the folder that `CLOUD_STICK_PAGE` names), as it is, with gzip and with
//! Brotli. Where there is none, a page that says so takes its place, so that the rest can be built without Node.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
    path::{Path, PathBuf},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CLOUD_STICK_PAGE");
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let folder = env::var_os("CLOUD_STICK_PAGE").map_or_else(|| here.join("../../web-ui/dist"), PathBuf::from);
    let built = folder.join("index.html").is_file();
    let mut files = Vec::new();
    if built {
        // A folder that is not there would have this run each time.
        println!("cargo::rerun-if-changed={}", folder.display());
        collect(&folder, "", &mut files)?;
        files.sort();
    } else {
        let absent = here.join("src/page/absent.html");
        println!("cargo::rerun-if-changed={}", absent.display());
        files.push(("index.html".to_owned(), absent));
    }
    let mut code = format!("const BUILT_IN: bool = {built};\nstatic FILES: &[File] = &[\n");
    for (number, (name, path)) in files.iter().enumerate() {
        embed(&out.join(format!("page-{number}")), name, path, &mut code)?;
    }
    code.push_str("];\n");
    fs::write(out.join("page.rs"), code)?;
    Ok(())
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or("a name is not UTF-8")?;
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), files)?;
        } else {
            files.push((format!("{prefix}{name}"), path));
        }
    }
    Ok(())
}

fn embed(target: &Path, name: &str, path: &Path, code: &mut String) -> Result<()> {
    let plain = fs::read(path)?;
    let mut hasher = DefaultHasher::new();
    plain.hash(&mut hasher);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&plain)?;
    let gzip = gzip.finish()?;
    let mut brotli = Vec::new();
    brotli::BrotliCompress(
        &mut plain.as_slice(),
        &mut brotli,
        &brotli::enc::BrotliEncoderParams::default(),
    )?;
    let shorter = |form: Vec<u8>| if form.len() < plain.len() { form } else { Vec::new() };
    let forms = [("gz", shorter(gzip)), ("br", shorter(brotli))];
    writeln!(
        code,
        "    File {{ path: {name:?}, media_type: {:?}, etag: \"\\\"{:016x}\\\"\", hashed: {},",
        media_type(name),
        hasher.finish(),
        is_hashed(name),
    )?;
    for (field, extension, content) in [
        ("plain", "plain", &plain),
        ("gzip", "gz", &forms[0].1),
        ("brotli", "br", &forms[1].1),
    ] {
        let file = target.with_extension(extension);
        fs::write(&file, content)?;
        writeln!(
            code,
            "        {field}: include_bytes!({:?}),",
            file.display().to_string()
        )?;
    }
    code.push_str("    },\n");
    Ok(())
}

/// Vite puts files whose names hold a hash of their content into `assets/`.
fn is_hashed(name: &str) -> bool {
    name.starts_with("assets/") && name.contains('-')
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
