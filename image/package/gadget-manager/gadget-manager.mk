################################################################################
#
# gadget-manager
#
################################################################################

# Taken as scripts/cross-build made it: Rust for the boards is built in one place, whatever the rest of the image comes from.
GADGET_MANAGER_VERSION = local
GADGET_MANAGER_SITE = $(or $(GADGET_MANAGER_FOLDER),$(call qstrip,$(BR2_PACKAGE_GADGET_MANAGER_FOLDER)))
GADGET_MANAGER_SITE_METHOD = local
GADGET_MANAGER_LICENSE = MIT or Apache-2.0
GADGET_MANAGER_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
# verity-open goes into the initramfs, which image/buildroot/post-image makes.
GADGET_MANAGER_INSTALL_IMAGES = YES

define GADGET_MANAGER_BUILD_CMDS
	$(GADGET_MANAGER_PKGDIR)/is-for-boards $(@D)/gadget-manager
	$(GADGET_MANAGER_PKGDIR)/is-for-boards --static $(@D)/verity-open
endef

define GADGET_MANAGER_INSTALL_IMAGES_CMDS
	$(INSTALL) -D -m 0755 $(@D)/verity-open $(BINARIES_DIR)/verity-open
endef

define GADGET_MANAGER_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/gadget-manager $(TARGET_DIR)/usr/bin/gadget-manager
endef

$(eval $(generic-package))
