// SPDX-License-Identifier: GPL-2.0
/* Stand-in for the sfc_char module: does nothing. */
#include <linux/module.h>

int sfc_char_present(void);
int sfc_char_present(void) { return 1; }
EXPORT_SYMBOL_GPL(sfc_char_present);

static int __init start(void)
{
	return 0;
}

static void __exit stop(void)
{
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("Stand-in for sfc_char");
MODULE_LICENSE("GPL");
