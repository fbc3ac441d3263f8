# SPDX-License-Identifier: BSD-3-Clause
mod := plat-host
$(mod)-srcs := start.S init.c keys.c archive.c console.c control.c trap.c $(if $(filter replay,$(CHECK)),replay.c replay_schedule.c replay_points.S replay_atomics.c replay_switch.S,cpu.c clock.c entropy.c)
$(mod)-deps := lib arch soft sync plat
$(mod)-check := no
