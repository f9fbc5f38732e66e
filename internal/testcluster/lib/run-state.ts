import { spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { runsFolder } from "./paths.ts";
import { endProcesses, identify, isAlive, signalProcess } from "./processes.ts";
import type { ProcessIdentity } from "./processes.ts";
import { progress } from "./progress.ts";
import { reap } from "./reap.ts";

/** How to start a program that runs until it is stopped. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

/** A program that runs until it is stopped; standard output and error go to logPath. */
export interface RunningProcess extends ProcessIdentity {
  readonly name: string;
  readonly logPath: string;
  /** Resolves with the exit code (128 + signal after a signal), never rejects. */
  readonly exited: Promise<number>;
  alive(): boolean;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL after the grace time (5 s); returns when it has ended. */
  stop(graceMs?: number): Promise<void>;
  /** The end of the log, for error messages. */
  logTail(): string;
}

/**
 * The state folder of one running cluster: all its files, and a record of every process, mount and network namespace
 * that has to go when it ends. stop() ends it, or a watchdog if this program dies, even by SIGKILL, or the next run that
 * finds the leftovers. All of them use the same record (reap.ts).
 */
export class RunState {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes the folder, starts its watchdog, and first clears what dead runs left behind. */
  static async create(): Promise<RunState> {
    mkdirSync(runsFolder, { recursive: true, mode: 0o700 });
    await sweep();
    const folder = mkdtempSync(join(runsFolder, "r-"));
    const owner = identify(process.pid);
    writeFileSync(join(folder, "owner"), `${owner?.pid} ${owner?.startTime}\n`);
    startWatchdog(folder);
    return new RunState(folder);
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** Starts a program in a session of its own, so that Ctrl-C reaches only its owner, which then stops it in order. */
  start(name: string, command: readonly string[], options: StartOptions = {}): RunningProcess {
    const logPath = this.path(`${name}.log`);
    const log = openSync(logPath, "a");
    const [program = "", ...args] = command;
    const child = spawn(program, args, {
      detached: true,
      cwd: options.cwd ?? this.folder,
      // Nearly all of them are written in Go. With garbage collection a quarter as often they need more memory, of which
      // there is enough, and leave more of the processor to the programs under test.
      env: { GOGC: "400", ...process.env, ...options.env },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    const exited = new Promise<number>((resolve) => {
      child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 143)));
      child.once("error", () => resolve(127));
    });
    child.unref();
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    if (identity === undefined) throw new Error(`Cannot start ${program}: see ${logPath}`);
    appendFileSync(this.path("processes"), `${identity.pid} ${identity.startTime} ${name}\n`);
    return {
      ...identity,
      name,
      logPath,
      exited,
      alive: () => isAlive(identity),
      signal: (signal) => signalProcess(identity, signal),
      stop: (graceMs) => endProcesses([identity], graceMs),
      logTail: () => readFileSync(logPath, "utf8").trimEnd().split("\n").slice(-15).join("\n"),
    };
  }

  /** Records a network namespace; whatever still runs in it at the end is killed and it is deleted. */
  recordNetworkNamespace(name: string): void {
    appendFileSync(this.path("netns"), `${name}\n`);
  }

  /** Records a cgroup (a path below every hierarchy) that is removed at the end. */
  recordCgroup(path: string): void {
    appendFileSync(this.path("cgroups"), `${path}\n`);
  }

  /** Ends all processes at once, and removes everything on record and the folder. */
  async stop(): Promise<void> {
    await reap(this.folder);
  }
}

/** Removes what a process of this id has left behind. Its watchdogs do so too, but nobody waits for them. */
export async function clearRunsOf(pid: number): Promise<void> {
  for (const run of runs()) {
    if (run.owner.pid === pid) await reap(run.folder);
  }
}

/** Removes what is left of runs whose owners have died. */
async function sweep(): Promise<void> {
  for (const run of runs()) {
    if (isAlive(run.owner)) continue;
    try {
      await reap(run.folder);
    } catch (error) {
      // What cannot be removed stays on record. That does not prevent a new run.
      progress(`Cannot clear ${run.folder}: ${(error as Error).message}`);
    }
  }
}

function runs(): { folder: string; owner: ProcessIdentity }[] {
  if (!existsSync(runsFolder)) return [];
  return readdirSync(runsFolder).flatMap((entry) => {
    const folder = join(runsFolder, entry);
    try {
      const [pid = "0", startTime = ""] = readFileSync(join(folder, "owner"), "utf8").trim().split(" ");
      return [{ folder, owner: { pid: Number(pid), startTime } }];
    } catch {
      // Another run is creating or removing it at this moment.
      return [];
    }
  });
}

/** Starts a watchdog. It waits until its pipe to this process is closed, and then removes the run. */
function startWatchdog(folder: string): void {
  const watchdog = spawn(
    "bash",
    ["-c", 'read -r _; exec "$1" "$2" "$3"', "watchdog", process.execPath, join(import.meta.dir, "reap.ts"), folder],
    { detached: true, stdio: ["pipe", "ignore", "ignore"], env: { ...process.env, BUN_BE_BUN: "1" } },
  );
  watchdog.unref();
  // Keeps the pipe open as long as this process lives, without keeping this process alive.
  const stdin = watchdog.stdin as unknown as { unref?: () => void };
  stdin.unref?.();
  watchdogs.push(watchdog);
}

const watchdogs: unknown[] = [];
