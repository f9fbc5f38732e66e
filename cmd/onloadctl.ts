#!/usr/bin/env bun
import { standardError } from "../internal/cli/output.ts";
import { runMain } from "../internal/cli/run-main.ts";
import { root } from "./root.ts";
import { environmentProblem } from "./shared/runtime-variables.ts";

const problem = environmentProblem(process.env);
if (problem !== undefined) {
  standardError.write(`${problem}\n`);
  process.exit(2);
}

await runMain(root, process.argv.slice(2));
