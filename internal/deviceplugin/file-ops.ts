import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";

/**
 * The file system calls that install and remove host files. They are one object, so that a test can make any fail.
 *
 * They are synchronous because the label that SELinux gives to new files is set for the calling thread
 * (selinux.ts), and asynchronous calls run on others.
 */
export const fileOps = {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
  writeSync,
};

/** See {@link fileOps}. */
export type FileOps = typeof fileOps;
