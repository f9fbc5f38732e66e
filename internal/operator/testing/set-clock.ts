/**
 * Loaded before the operator's own sources: its wall clock is wrong by the milliseconds in the file that CLOCK_ERROR_FILE
 * names. A test changes it by renaming another file over it, so that half of a number is never read.
 */
import { readFileSync } from "node:fs";

const file = process.env["CLOCK_ERROR_FILE"]!;
const right = Date.now;
Date.now = () => right() + Number(readFileSync(file, "utf8"));
