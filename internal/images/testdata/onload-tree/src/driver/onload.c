// SPDX-License-Identifier: GPL-2.0
/* Stand-in for the onload module: does nothing. */
#include <linux/module.h>

int sfc_resource_present(void);
int sfc_char_present(void);

static int __init start(void)
{
	return sfc_resource_present() && sfc_char_present() ? 0 : -ENODEV;
}

static void __exit stop(void)
{
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("Stand-in for onload");
MODULE_LICENSE("GPL");
