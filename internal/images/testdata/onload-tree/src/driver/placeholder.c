// SPDX-License-Identifier: GPL-2.0
/* What a module says of itself, and nothing more; see scripts/onload_build. */
#define INFO(name, text) \
  static const char name[] __attribute__((section(".modinfo"), used, aligned(1))) = text

INFO(license, "license=GPL");
INFO(name, "name=" NAME);
INFO(depends, "depends=" DEPENDS);
INFO(vermagic, "vermagic=" KVER " SMP preempt mod_unload");
