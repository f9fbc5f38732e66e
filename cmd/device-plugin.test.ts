import { expect, test } from "bun:test";
import { join } from "node:path";

const main = join(import.meta.dir, "onloadctl.ts");
const rows: [string, string[], string][] = [
  ["an unknown flag", ["device-plugin", "--max-pod=1"], "Unknown flag --max-pod: did you mean --max-pods?"],
  ["no number", ["device-plugin", "--max-pods=many"], 'Flag --max-pods cannot be "many": give a whole number'],
  [
    "both ways at once",
    ["device-plugin", "--mount-onload"],
    "Flags --mount-onload and --set-preload are mutually exclusive: give --set-preload=false with --mount-onload",
  ],
  [
    "a relative path",
    ["device-plugin", "--host-onload-path=opt"],
    'Flag --host-onload-path cannot be "opt": hostOnloadPath must be an absolute path',
  ],
  [
    "a folder of the system",
    ["device-plugin", "--host-onload-path=/proc/1/root"],
    'Flag --host-onload-path cannot be "/proc/1/root": hostOnloadPath must not be a folder of the node\'s system',
  ],
  [
    "the same",
    ["device-plugin", "install-host-files", "--onload-version=1", "--from=/x", "--host-onload-path=/etc"],
    'Flag --host-onload-path cannot be "/etc": hostOnloadPath must not be a folder of the node\'s system',
  ],
  ["no address", ["device-plugin", "--metrics-bind-address=8080"], "give HOST:PORT, :PORT, or 0 to turn it off"],
  ["no strategy", ["device-plugin", "--device-strategy=magic"], "use one of mounts, cdi"],
  ["no time", ["device-plugin", "--health-interval=soon"], "give a duration such as 30s, 5m or 1h"],
  ["no version", ["device-plugin", "install-host-files"], "Flag --onload-version is missing"],
  [
    "no version of a label",
    ["device-plugin", "install-host-files", "--onload-version=a/b"],
    "give a version such as 9.2.0",
  ],
  [
    "itself as source",
    ["device-plugin", "install-host-files", "--onload-version=1"],
    "that is where the files would be installed",
  ],
  ["no folder", ["device-plugin", "copy-executable"], "Flag --to is missing: give --to=FOLDER"],
  [
    "a certificate for plain HTTP",
    ["operator", "--metrics-cert-path=/certs"],
    "Flag --metrics-cert-path needs --metrics-secure",
  ],
  ["no interval", ["control-plane", "--interval=0"], 'Flag --interval cannot be "0"'],
  [
    "a relative root",
    ["control-plane", "--host-root=host"],
    'Flag --host-root cannot be "host": give an absolute path',
  ],
];
for (const [name, args, wanted] of rows) {
  test.concurrent(`${args.slice(0, 2).join(" ")} with ${name} is refused in one line, with exit code 2`, async () => {
    const child = Bun.spawn([process.execPath, main, ...args], { stdout: "pipe", stderr: "pipe" });
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect({ out, code }).toEqual({ out: "", code: 2 });
    expect(err).toContain(wanted);
    expect(err.trim().split("\n")).toHaveLength(1);
  });
}
