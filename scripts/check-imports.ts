/** Checks the project's imports by the rules in lib/import-rules.ts. Prints each violation and exits with 1 if there is one. */
import { Glob } from "bun";
import { importProblems } from "./lib/import-rules.ts";

const sources = new Map<string, string>();
for (const file of [...new Glob("{cmd,internal,proto,scripts}/**/*.ts").scanSync(".")].toSorted()) {
  sources.set(file, await Bun.file(file).text());
}
const problems = importProblems(sources);
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
