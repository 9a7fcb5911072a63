_base_ = [
    '../_base_/models/fcn_r18-d8_camvid.py',
    '../_base_/datasets/camvid_240.py',
    '../_base_/schedules/camvid_bs8_80e.py',
    '../_base_/camvid_runtime.py',
]
