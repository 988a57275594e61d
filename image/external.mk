include $(sort $(wildcard $(BR2_EXTERNAL_CLOUD_STICK_PATH)/package/*/*.mk))
