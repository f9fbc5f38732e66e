/** Every check that needs no cluster: `bun run check`. Runs all of them and prints which have failed. */

const CHECKS: [string, string[]][] = [
  ["format", ["oxfmt", "--check", "cmd", "internal", "scripts", "package.json", "tsconfig.json"]],
  ["lint", ["oxlint", "--type-aware", "--deny-warnings", "cmd", "internal", "scripts"]],
  ["types", ["tsc", "--noEmit"]],
  ["types under Deno", ["deno", "check", "--quiet", "cmd/onloadctl.ts"]],
  ["import direction", ["bun", "scripts/check-imports.ts"]],
  ["generated files", ["bun", "scripts/generate.ts", "--check"]],
  ["mutants that fit the code", ["bun", "scripts/mutants.ts", "--list"]],
];

let failed = 0;
for (const [name, command] of CHECKS) {
  const started = performance.now();
  const child = Bun.spawn(command, {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, PATH: `node_modules/.bin:${process.env["PATH"]}`, NO_COLOR: "1" },
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.error(`${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (code !== 0) {
    failed++;
    console.error(`${out}${err}`);
  }
}
process.exit(failed > 0 ? 1 : 0);
