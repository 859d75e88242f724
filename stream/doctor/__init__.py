"""`vigil doctor`: can Vigil run here, and what does a camera really send? Begins in `checkup` and `camera`."""
