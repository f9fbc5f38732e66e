// SPDX-License-Identifier: GPL-2.0
/* Stand-in for the sfc module: does nothing. */
#include <linux/module.h>

static int __init start(void)
{
	return 0;
}

static void __exit stop(void)
{
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("Stand-in for sfc");
MODULE_LICENSE("GPL");
