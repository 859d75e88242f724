"""Browsers and phones as cameras: a publisher sends by WebRTC (WHIP), and its pictures become a source's."""
