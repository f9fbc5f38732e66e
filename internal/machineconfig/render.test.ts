import { expect, test } from "bun:test";
import { join } from "node:path";
import { parse } from "yaml";
import { checkInputs } from "./inputs.ts";
import { render } from "./render.ts";
import { IGNITION_SPECS } from "./versions.ts";

const versions = Object.entries(IGNITION_SPECS);
const image = "registry.example.com/onload-module:v9.0-${KERNEL_FULL_VERSION}";

function inputs(openshiftVersion: string, moduleImage = image) {
  return checkInputs({ moduleImage, openshiftVersion, role: "worker", name: "99-sfc-machineconfig" });
}

/** Compares with a file of testdata. `UPDATE_GOLDEN=1 bun test internal/machineconfig` writes the files anew. */
async function expectGolden(name: string, text: string): Promise<void> {
  const file = join(import.meta.dir, "testdata", name);
  if (process.env["UPDATE_GOLDEN"] === "1") await Bun.write(file, text);
  expect(text).toBe(await Bun.file(file).text());
}

test.each(versions)("OpenShift %s, Ignition %s: as in testdata", async (version, spec) => {
  await expectGolden(`ignition-${spec}.machineconfig.yaml`, render(inputs(version), "machineconfig").text);
  const source = render(inputs(version), "butane", true).text;
  expect(source).toContain(`\nversion: ${version}.0\n`);
  await expectGolden("local-files.bu", source.replace(`version: ${version}.0`, "version: 4.10.0"));
});

test("the bare Ignition config is the one inside the MachineConfig", () => {
  for (const [version] of versions) {
    const outer = parse(render(inputs(version), "machineconfig").text, { version: "1.1" });
    expect(outer.spec.config).toEqual(JSON.parse(render(inputs(version), "ignition").text));
  }
});

test("the text is plain and by itself valid in YAML 1.1 and 1.2", () => {
  const { text, files } = render(inputs("4.14.0"), "machineconfig");
  expect(files).toEqual([]);
  expect(parse(text, { version: "1.1" })).toEqual(parse(text, { version: "1.2" }));
});

test.each(["no", "0o17", "0b1", "1e3"])("names that kubectl would read as something else are quoted: %s", (name) => {
  for (const format of ["machineconfig", "butane"] as const) {
    const { text } = render({ ...inputs("4.14.0"), name, role: name }, format);
    expect(text).toContain(`\n  name: "${name}"\n`);
    expect(text).toContain(`\n    machineconfiguration.openshift.io/role: "${name}"\n`);
  }
});

test("the image reaches both units as it was given", () => {
  const config = JSON.parse(render(inputs("4.14.0"), "ignition").text);
  const lines = config.systemd.units.flatMap((unit: { contents?: string }) =>
    (unit.contents ?? "").split("\n").filter((line) => line.startsWith("Environment=")),
  );
  expect(lines).toEqual(Array(2).fill(`Environment="ONLOAD_MODULE_IMAGE=${image}"`));
});

test("the reason why crio-wipe is masked stands right above it", () => {
  for (const format of ["machineconfig", "butane"] as const) {
    expect(render(inputs("4.14.0"), format).text).toMatch(
      /# After a power cut or crash, crio-wipe deletes [^\n]*\n( *# [^\n]*\n)+ *- name: crio-wipe\.service\n *enabled: false\n *mask: true\n/,
    );
  }
});

test("Butane's local files are the scripts, by the names that the text has", () => {
  const { text, files } = render(inputs("4.14.0"), "butane", true);
  const names = parse(text).storage.files.map((file: { contents: { local: string } }) => file.contents.local);
  expect(names).toEqual(files.map(({ name }) => name));
  expect(render(inputs("4.14.0"), "butane").files).toEqual([]);
});
