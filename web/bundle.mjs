// Make one script of the live figures' modules and of what they import from npm, once for widgets and once for pages:
// a widget is an ES module, which a browser does not load for a page that is opened from disk.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const explore = fileURLToPath(new URL("../dlnlib/explore/", import.meta.url));
const packages = fileURLToPath(new URL("node_modules/", import.meta.url));

async function bundle(name, format, banner = "") {
  return build({
    entryPoints: [`${explore}${name}.js`],
    outfile: `${explore}bundle/${name}.js`,
    banner: { js: banner },
    bundle: true,
    charset: "utf8",
    format,
    logLevel: "warning",
    metafile: true,
    minify: true,
    nodePaths: [packages],
    target: "es2022",
  });
}

// What others wrote travels with their licence.
const { metafile } = await bundle("widget", "esm");
const names = Object.keys(metafile.inputs).map((file) => file.match(/node_modules\/([^/]+)/)?.[1]);
const licences = [...new Set(names)]
  .filter(Boolean)
  .map(async (name) => `${name}\n${await readFile(`${packages}${name}/LICENSE`, "utf8")}`);
const banner = `/*!\n${(await Promise.all(licences)).join("\n")}*/`;
await bundle("widget", "esm", banner);
await bundle("page", "iife", banner);
