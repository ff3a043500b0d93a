// SPDX-License-Identifier: MIT

//go:build race

package pebbledb

// The race detector makes a power loss ten times as slow to look at.
const powerLosses = 200
